#include "chunker/measure.h"

#include <string>

#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

constexpr size_t kWindowBytes = size_t{64} << 10;  // tokenized at once: bounds the memory

// Where a window that begins at `begin` ends: behind white space, so that its tokens are those of the whole document;
// where there is none, between any two clusters.
size_t window_end(const Document& document, size_t begin) {
  const std::string_view text = document.text();
  if (text.size() - begin <= kWindowBytes) return text.size();
  const size_t space = text.substr(begin, kWindowBytes).find_last_of(" \n");
  if (space != std::string_view::npos && document.is_boundary(begin + space + 1)) return begin + space + 1;
  return document.next_boundary(begin + kWindowBytes - 1);
}

}  // namespace

size_t count_tokens(std::string_view text, const ChunkingConfig& config, const Tokenizer& tokenizer) {
  EncodeOptions options;
  options.special_tokens_in_text = config.special_tokens_in_text;
  if (config.prompt.empty()) return tokenizer.encode(text, options).ids.size();
  return tokenizer.encode(config.prompt + std::string(text), options).ids.size();
}

Measure::Measure(const Document& document, const ChunkingConfig& config, const Tokenizer* tokenizer)
    : document_(document),
      config_(config),
      tokenizer_(tokenizer),
      in_tokens_(config.unit == "tokens"),
      starts_(document.text().size()) {
  if (in_tokens_) {
    fixed_ = count_tokens("", config, *tokenizer);
    mark_tokens();
  } else {
    for (size_t at = 0; at < document.text().size(); at += utf8::length(document.text()[at])) starts_.insert(at);
  }
  starts_.finish();
}

void Measure::mark_tokens() {
  const std::string_view text = document_.text();
  EncodeOptions options;
  options.add_special_tokens = false;
  options.special_tokens_in_text = config_.special_tokens_in_text;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = window_end(document_, begin);
    for (const ByteRange& token : tokenizer_->encode(text.substr(begin, end - begin), options).offsets) {
      starts_.insert(begin + token.begin);
    }
    begin = end;
  }
}

}  // namespace bgem3
