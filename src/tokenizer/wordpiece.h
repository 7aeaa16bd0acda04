// The WordPiece model: from the left, always the longest string of the vocabulary.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/token.h"
#include "tokenizer/trie.h"

namespace bgem3 {

// Immutable; encode() may be called from many threads.
class WordPiece {
 public:
  struct Options {
    uint32_t unknown_id;
    std::string continuing_subword_prefix;  // of every piece but the first of a word
    size_t max_input_chars_per_word;        // longer words are unknown
  };
  // `tokens[i]` has id `ids[i]`; both without duplicates.
  WordPiece(const std::vector<std::string_view>& tokens, const std::vector<uint32_t>& ids, Options options);

  WordPiece(Trie trie, Options options);
  const Trie& trie() const { return trie_; }
  const Options& options() const { return options_; }

  // Appends the tokens of a word, with offsets into the word; the unknown token alone if the word cannot be cut.
  // `excluded`, if not null, has one byte for each id: pieces where it is not 0 are not used.
  void encode(std::string_view word, const uint8_t* excluded, std::vector<Token>& tokens) const;

  // The id of a string of the vocabulary.
  std::optional<uint32_t> find(std::string_view token) const { return trie_.find(token); }

 private:
  Trie trie_;
  Options options_;
  std::optional<Trie::Node> continuation_;  // where the prefix leads, if some string begins with it
};

}  // namespace bgem3
