#include "tokenizer/utf8.h"

#include <cstdint>
#include <cstring>

namespace bgem3::utf8 {

Bytes::Bytes(char32_t c) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) {
    bytes_[0] = static_cast<char>(c);
    size_ = 1;
  } else if (c < 0x800) {
    bytes_[0] = static_cast<char>(0xC0 | c >> 6);
    bytes_[1] = tail(0);
    size_ = 2;
  } else if (c < 0x10000) {
    bytes_[0] = static_cast<char>(0xE0 | c >> 12);
    bytes_[1] = tail(6);
    bytes_[2] = tail(0);
    size_ = 3;
  } else {
    bytes_[0] = static_cast<char>(0xF0 | c >> 18);
    bytes_[1] = tail(12);
    bytes_[2] = tail(6);
    bytes_[3] = tail(0);
    size_ = 4;
  }
}

namespace {

// The length of the character at `position`, or 0 and in `bad` the length of the maximal ill-formed part.
size_t well_formed_length(std::string_view text, size_t position, size_t& bad) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const unsigned first = byte(0);
  bad = 1;
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  // The second byte has a narrower range after E0 (overlong), ED (surrogates), F0 (overlong) and F4 (above 10FFFF).
  unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  for (size_t i = 1; i < size; ++i) {
    bad = i;
    if (position + i >= text.size() || byte(i) < low || byte(i) > high) return 0;
    low = 0x80;
    high = 0xBF;
  }
  return size;
}

}  // namespace

IllFormed find_ill_formed(std::string_view text, size_t from) {
  size_t position = from;
  while (position < text.size()) {
    uint64_t eight;
    if (text.size() - position >= sizeof eight) {
      std::memcpy(&eight, text.data() + position, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        position += sizeof eight;
        continue;
      }
    }
    size_t bad;
    const size_t size = well_formed_length(text, position, bad);
    if (size == 0) return {position, position + bad};
    position += size;
  }
  return {text.size(), text.size()};
}

}  // namespace bgem3::utf8
