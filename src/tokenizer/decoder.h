// The decoders of a tokenizer.json: from token strings back to text.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bgem3 {

// "Metaspace": the replacement character becomes a space; in the first token it goes away, unless it is never put
// there.
struct MetaspaceDecoder {
  std::string replacement;
  bool drop_in_first;
};

// "WordPiece": a space before each token that does not begin with the prefix; cleanup closes up English punctuation.
struct WordPieceDecoder {
  std::string prefix;
  bool cleanup;
};

// No decoder: spaces between the tokens.
struct JoiningDecoder {};

using Decoder = std::variant<MetaspaceDecoder, WordPieceDecoder, JoiningDecoder>;

std::string decode(const Decoder& decoder, const std::vector<std::string_view>& tokens);

}  // namespace bgem3
