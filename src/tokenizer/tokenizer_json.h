// Reading a tokenizer.json. Start at read_tokenizer_json.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/unigram.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/wordpiece.h"

namespace bgem3 {

// What a tokenizer.json says.
struct TokenizerParts {
  std::vector<AddedToken> added_tokens;  // special ones first, else in the file's order
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  Vocabulary vocabulary;
  std::variant<Unigram, WordPiece> model;
  std::vector<uint32_t> before, after;  // ids that the template puts around a text
  Decoder decoder;
};

// Throws ModelLoadingError: corrupt (not JSON, a value that contradicts another), unsupported (a component or option
// that is not run here, by its name). `name` stands for the file in messages.
TokenizerParts read_tokenizer_json(std::string_view json, std::string_view name);

// A JSON number as Rust's serde_json reads it by default: its digits as one whole number, rounded to double, then
// multiplied or divided by a power of ten; not always the nearest double. Empty if it is out of range.
std::optional<double> parse_number_as_serde(std::string_view text);

}  // namespace bgem3
