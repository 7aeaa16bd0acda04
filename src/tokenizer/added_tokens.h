// Tokens that are found in the text before the model sees it. Start at AddedTokens::split.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/normalizer.h"

namespace bgem3 {

// One entry of "added_tokens" in a tokenizer.json.
struct AddedToken {
  uint32_t id = 0;
  std::string content;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
  bool normalized = true;    // is normalised like the text, and found in the normalised text
  bool special = false;
};

// A piece of a text: an added token, or what stands between.
struct AddedTokenPiece {
  size_t begin;
  size_t end;
  const AddedToken* token;  // null: ordinary text
};

// Finds one of some strings in a text: from the left, the longest first. A step at each byte of the text, at most as
// many as the longest string has bytes.
class AddedTokenMatcher {
 public:
  // `tokens` must outlive the matcher; `patterns` are what to look for, in the same order, none empty.
  AddedTokenMatcher() = default;
  AddedTokenMatcher(const std::vector<const AddedToken*>& tokens, const std::vector<std::string>& patterns);

  // Appends the pieces of a text, without empty ones. A text without any token is one piece. Special tokens are no
  // tokens if `escape_special`. Pieces overlap where an earlier token took the white space that a later one begins
  // with.
  void split(std::string_view text, bool escape_special, std::vector<AddedTokenPiece>& pieces) const;

 private:
  struct Match {
    size_t size;
    const AddedToken* token;
  };
  std::optional<Match> match(std::string_view text, size_t at) const;

  struct Entry {
    std::string pattern;
    const AddedToken* token;
  };
  // By their first byte; longest first, and of equal patterns the first in the file first.
  std::array<std::vector<Entry>, 256> entries_;
  bool empty_ = true;
};

}  // namespace bgem3
