// Words, UAX #29 of Unicode 16 (rules WB3 to WB999): also between characters of scripts that write no spaces.
#pragma once

#include <cstddef>
#include <string_view>

namespace bgem3 {

// Where the word (or punctuation, or white space) that begins at `begin` of well-formed text ends. `begin` must not be
// the text's end. Cost: linear in the word.
size_t word_end(std::string_view text, size_t begin);

}  // namespace bgem3
