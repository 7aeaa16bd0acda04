// How large a part of a document is, in the unit of the configuration.
#pragma once

#include <cstddef>
#include <string_view>

#include "bgem3/chunker.h"
#include "chunker/document.h"

namespace bgem3 {

// The tokens of a chunk with this text: those around it and the prompt's included.
size_t count_tokens(std::string_view text, const ChunkingConfig& config, const Tokenizer& tokenizer);

class Measure {
 public:
  // All must outlive this object; `tokenizer` is null only if the unit is characters. Tokenizes the document once.
  Measure(const Document& document, const ChunkingConfig& config, const Tokenizer* tokenizer);

  // The size that every chunk has, whatever its text: the tokens around it.
  size_t fixed() const { return fixed_; }
  // The size of a part without fixed(), about: tokenized as a part of the whole document. Constant time.
  size_t estimate(ByteRange range) const { return starts_.count_before(range.end) - starts_.count_before(range.begin); }
  // The size of a chunk, exactly. Cost: tokenizes it.
  size_t exact(ByteRange range) const { return in_tokens_ ? tokens(range) : estimate(range); }
  // What the model will count; 0 without a tokenizer.
  size_t tokens(ByteRange range) const {
    return tokenizer_ ? count_tokens(document_.text(range), config_, *tokenizer_) : 0;
  }

 private:
  void mark_tokens();

  const Document& document_;
  const ChunkingConfig& config_;
  const Tokenizer* tokenizer_;
  bool in_tokens_;
  size_t fixed_ = 0;
  PositionSet starts_;  // of tokens, or of characters
};

}  // namespace bgem3
