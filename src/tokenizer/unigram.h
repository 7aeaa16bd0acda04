// The Unigram model: of all ways to cut a word into pieces of the vocabulary, the one with the largest sum of scores.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/frozen_array.h"
#include "tokenizer/token.h"
#include "tokenizer/trie.h"

namespace bgem3 {

// Immutable; encode() may be called from many threads, each with its own workspace.
class Unigram {
 public:
  // Memory for encode(), to be used again.
  class Workspace {
    friend class Unigram;
    struct Best {
      double score;   // of the best way to reach a place in the word
      uint32_t rank;  // its last piece
      uint32_t size;  // bytes of that piece; 0: not reached yet
    };
    std::vector<Best> best;
    std::vector<Token> reversed;
  };

  // Piece i has id i; of equal pieces the last counts.
  Unigram(const std::vector<std::string>& pieces, const std::vector<double>& scores, uint32_t unknown_id);

  // Appends the tokens of a word, with offsets into the word. Ties go to the piece that begins earlier. Runs of unknown
  // characters are one token. Scores are summed in float64 from the left, as the Hugging Face library does.
  // Stops early once `tokens` has more than `limit` (those up to the limit are final). `excluded`, if not null, has one
  // byte for each id: pieces where it is not 0 are not used.
  // Cost: a step of the trie at each byte, as many as the longest piece there has; memory by the longest stretch of the
  // word that no cut divides with certainty.
  void encode(std::string_view word, size_t limit, const uint8_t* excluded, Workspace& workspace,
              std::vector<Token>& tokens) const;

  // The id of a piece.
  std::optional<uint32_t> find(std::string_view piece) const;

 private:
  class TokenWriter;

  friend struct TokenizerCompiler;
  Unigram() : trie_(Trie::from_nodes({}, {})) {}  // to be filled in

  // Pieces are numbered by rank, in the order of their bytes: pieces that begin alike, which are looked at one after
  // the other, then have their scores side by side.
  FrozenArray<uint32_t> ids_;   // by rank
  FrozenArray<double> scores_;  // by rank
  double unknown_score_ = 0;
  uint32_t unknown_id_ = 0;
  size_t longest_piece_ = 0;  // bytes
  Trie trie_;                 // leads to ranks
};

}  // namespace bgem3
