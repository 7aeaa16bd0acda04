// A normalised text that knows where each of its characters came from. Start at AlignedView.
//
// The Hugging Face library keeps, for each byte of the normalised text, the range of the original text that its
// character stands for; a token's offsets run from the begin of its first byte's range to the end of its last byte's
// range. All bytes of a character share one range, and ranges never step back. Most text is not changed at all, so we
// keep runs instead of bytes: a run of characters that are as long as their sources, one after the other, or a run of
// characters that all have the same source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bgem3/tokenizer.h"

namespace bgem3 {

// The bytes from `at` up to the next run's begin.
struct AlignedRun {
  size_t at;
  ByteRange source;  // of all characters; or, of a parallel run, where it begins, and end == kParallel
  static constexpr size_t kParallel = SIZE_MAX;
  bool parallel() const { return source.end == kParallel; }
};

// A text with its runs; the first run begins at 0. Owns nothing.
struct AlignedView {
  std::string_view bytes;
  std::span<const AlignedRun> runs;
};

// Finds sources. Asking in ascending order costs constant time each.
class SourceCursor {
 public:
  explicit SourceCursor(const AlignedView& text) : runs_(text.runs) {}

  // The range of the character [begin, end), or from its first to its last character.
  ByteRange source(size_t begin, size_t end) {
    seek(begin);
    const AlignedRun& first = runs_[run_];
    const size_t source_begin = first.parallel() ? first.source.begin + (begin - first.at) : first.source.begin;
    seek(end - 1);
    const AlignedRun& last = runs_[run_];
    return {source_begin, last.parallel() ? last.source.begin + (end - last.at) : last.source.end};
  }

  // The number of the run that holds the byte at `position`.
  size_t run_at(size_t position) {
    seek(position);
    return run_;
  }

 private:
  void seek(size_t position);

  std::span<const AlignedRun> runs_;
  size_t run_ = 0;
};

// A text being made. Reused from text to text, so that its memory is.
class AlignedText {
 public:
  void clear() {
    bytes_.clear();
    runs_.clear();
  }

  // Appends characters that all stand for `source`.
  void append(std::string_view characters, ByteRange source);

  // Appends the bytes [begin, end) of `text` with their sources; `cursor` must be one of `text`.
  void append_unchanged(const AlignedView& text, SourceCursor& cursor, size_t begin, size_t end);

  // Takes the last character, of `size_bytes`, away again.
  void remove_last(size_t size_bytes);

  std::string_view bytes() const { return bytes_; }
  char* mutable_bytes() { return bytes_.data(); }
  AlignedView view() const { return {bytes_, runs_}; }

 private:
  std::string bytes_;
  std::vector<AlignedRun> runs_;
};

}  // namespace bgem3
