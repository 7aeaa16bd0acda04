// Texts and their ids by bge-m3's published tokenizer.json, as the Hugging Face tokenizers library 0.22.2 makes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace bgem3 {

struct TokenizerCase {
  std::string_view text;
  bool plain;  // every model with XLM-RoBERTa's vocabulary has these ids, whatever it does with white space and marks
  std::vector<uint32_t> ids;
};

const std::vector<TokenizerCase>& tokenizer_cases();

extern const size_t kPublishedTokens;  // of the vocabulary
// SHA-256 over all tokens by id: the token's string, then the ids (u32, little-endian) of that string as a text.
extern const std::string_view kPublishedVocabularyHash;

}  // namespace bgem3
