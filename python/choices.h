// Options that are one of two words.
#pragma once

#include <string>
#include <utility>

#include "bgem3/error.h"
#include "bgem3/tokenizer.h"

namespace bgem3::python {

// Throws InvalidInputError that lists the words.
template <typename Choice>
Choice parse_choice(const char* option, const std::string& word, std::pair<const char*, Choice> first,
                    std::pair<const char*, Choice> second) {
  if (word == first.first) return first.second;
  if (word == second.first) return second.second;
  throw InvalidInputError(ErrorCode::invalid_input, std::string(option) + ": '" + word + "', expected '" + first.first +
                                                        "' or '" + second.first + "'");
}

inline SpecialTokensInText parse_special_tokens(const std::string& word) {
  return parse_choice<SpecialTokensInText>("special_tokens_in_text", word, {"match", SpecialTokensInText::match},
                                           {"escape", SpecialTokensInText::escape});
}

}  // namespace bgem3::python
