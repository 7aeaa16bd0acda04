#include "tokenizer/wordpiece.h"

#include "tokenizer/utf8.h"

namespace bgem3 {

WordPiece::WordPiece(const std::vector<std::string_view>& tokens, const std::vector<uint32_t>& ids, Options options)
    : WordPiece(Trie(tokens, ids), std::move(options)) {}

WordPiece::WordPiece(Trie trie, Options options) : trie_(std::move(trie)), options_(std::move(options)) {
  if (const Trie::Node* node = trie_.walk(options_.continuing_subword_prefix)) continuation_ = *node;
}

void WordPiece::encode(std::string_view word, const uint8_t* excluded, std::vector<Token>& tokens) const {
  const size_t tokens_before = tokens.size();
  const auto unknown = [&] {
    tokens.resize(tokens_before);
    tokens.push_back({options_.unknown_id, 0, word.size()});
  };
  size_t characters = 0;
  for (size_t at = 0; at < word.size(); at += utf8::length(word[at])) {
    if (++characters > options_.max_input_chars_per_word) return unknown();
  }
  for (size_t begin = 0; begin < word.size();) {
    const Trie::Node* node = begin == 0 ? &trie_.root() : continuation_ ? &*continuation_ : nullptr;
    Token longest{Trie::kNoId, begin, begin};
    for (size_t end = begin; node && end < word.size();) {
      node = trie_.step(*node, word[end++]);
      if (node && node->id() != Trie::kNoId && !(excluded && excluded[node->id()])) longest = {node->id(), begin, end};
    }
    if (longest.id == Trie::kNoId) return unknown();
    tokens.push_back(longest);
    begin = longest.end;
  }
}

}  // namespace bgem3
