// What a model makes of a word.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bgem3 {

// A token: its id and the bytes [begin, end) of the word, or later of the text, that it stands for.
struct Token {
  uint32_t id;
  size_t begin;
  size_t end;
  bool operator==(const Token&) const = default;
};

}  // namespace bgem3
