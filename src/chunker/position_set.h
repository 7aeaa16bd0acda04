// A set of byte positions of a text that can tell how many of them lie before a byte.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bgem3 {

// Filled first, asked after finish(). Memory: a quarter of a byte for each byte of the text.
class PositionSet {
 public:
  // Of positions 0 to `size_bytes`, the text's end included.
  explicit PositionSet(size_t size_bytes) : words_(size_bytes / 64 + 1) {}

  void insert(size_t position) { words_[position / 64] |= uint64_t{1} << position % 64; }
  void finish() {
    counts_.reserve(words_.size());
    size_t count = 0;
    for (const uint64_t word : words_) {
      counts_.push_back(count);
      count += static_cast<size_t>(std::popcount(word));
    }
  }

  bool contains(size_t position) const { return (words_[position / 64] >> position % 64 & 1) != 0; }
  size_t count_before(size_t position) const {
    const uint64_t below = words_[position / 64] & ((uint64_t{1} << position % 64) - 1);
    return counts_[position / 64] + static_cast<size_t>(std::popcount(below));
  }

 private:
  std::vector<uint64_t> words_;  // one bit a position
  std::vector<size_t> counts_;   // in all words before
};

}  // namespace bgem3
