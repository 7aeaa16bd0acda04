// The Unigram model in its plainest form, for tests to compare with. Not part of the library.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/token.h"

namespace bgem3 {

// The tokens of a word, as Unigram::encode makes them without a limit and without exclusions.
std::vector<Token> unigram_reference(const std::vector<std::string>& pieces, const std::vector<double>& scores,
                                     uint32_t unknown_id, std::string_view word);

}  // namespace bgem3
