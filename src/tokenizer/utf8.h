// UTF-8, one code point at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bgem3::utf8 {

// Bytes of a character by its first byte (of well-formed text).
inline size_t length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

struct CodePoint {
  char32_t value;
  size_t length;  // bytes
};

// The character at `position` of well-formed text.
inline CodePoint decode(std::string_view text, size_t position) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const auto tail = [&](size_t i) { return static_cast<char32_t>(byte(i) & 0x3F); };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {(first & 0x1F) << 6 | tail(1), 2};
  if (first < 0xF0) return {(first & 0x0F) << 12 | tail(1) << 6 | tail(2), 3};
  return {(first & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4};
}

// The bytes of one code point.
class Bytes {
 public:
  explicit Bytes(char32_t c);
  std::string_view view() const { return {bytes_, size_}; }

 private:
  char bytes_[4];
  size_t size_;
};

// Whether a character of well-formed text begins, or the text ends, at `position`.
inline bool is_boundary(std::string_view text, size_t position) {
  return position >= text.size() || (static_cast<unsigned char>(text[position]) & 0xC0) != 0x80;
}

// The first ill-formed part at or after `from`: bytes [begin, end), as long as Unicode 16 section 3.9 says (maximal
// subpart). begin == text.size() if there is none.
struct IllFormed {
  size_t begin;
  size_t end;
};
IllFormed find_ill_formed(std::string_view text, size_t from);

}  // namespace bgem3::utf8
