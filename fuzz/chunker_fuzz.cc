// Any bytes as a document, with any sizes, in tokens and in characters. Checks what holds for every document: chunks
// in order, none above the maximum, ends at characters, and all text in them.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "bgem3/chunker.h"
#include "tokenizer/test_files.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace {

using namespace bgem3;

void check(bool condition) {
  if (!condition) std::abort();
}

bool is_white(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto c = utf8::decode(text, at);
    if (!unicode::is(unicode::kWhiteSpace, c.value)) return false;
    at += c.length;
  }
  return true;
}

void check_chunks(const std::vector<DocumentChunk>& chunks, std::string_view text, const ChunkingConfig& config,
                  const Tokenizer& tokenizer) {
  size_t begin = 0, end = 0;
  for (const DocumentChunk& chunk : chunks) {
    const ChunkMetadata& about = chunk.text_chunk.metadata;
    check(utf8::is_boundary(text, about.start_byte) && utf8::is_boundary(text, about.end_byte));
    check(about.start_byte < about.end_byte && about.end_byte <= text.size());
    check(chunk.text_chunk.content == text.substr(about.start_byte, about.end_byte - about.start_byte));
    check(about.index == 0 || (about.start_byte > begin && about.end_byte > end));
    check(about.start_byte < end ? config.overlap > 0 : is_white(text.substr(end, about.start_byte - end)));
    check(about.token_count == tokenizer.encode(chunk.text_chunk.content).ids.size());
    const size_t size = config.unit == "tokens" ? about.token_count : about.end_char - about.start_char;
    check(size <= config.max_chunk_size);
    begin = about.start_byte;
    end = about.end_byte;
  }
  check(is_white(text.substr(end)));
}

}  // namespace

// The first three bytes: sizes, unit and tokenizer. The rest: the document.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  static const auto unigram = std::make_shared<const Tokenizer>(Tokenizer::from_json(test::File().json(), "unigram"));
  static const auto bert = std::make_shared<const Tokenizer>(Tokenizer::from_json(test::bert_file().json(), "bert"));
  ChunkingConfig config;
  config.max_chunk_size = data[0];
  config.target_chunk_size = config.max_chunk_size * (data[1] & 15) / 15;
  config.min_chunk_size = config.target_chunk_size * (data[1] >> 4) / 15;
  config.overlap = (config.target_chunk_size - config.min_chunk_size) * (data[2] & 15) / 15;
  config.unit = (data[2] & 16) != 0 ? "tokens" : "characters";
  const auto& tokenizer = (data[2] & 32) != 0 ? unigram : bert;
  const std::string_view text(reinterpret_cast<const char*>(data + 3), size - 3);
  try {
    check_chunks(TextChunker(config, tokenizer).chunk_text(text), text, config, *tokenizer);
  } catch (const InvalidInputError&) {
    // Not UTF-8, or a maximum that is too small.
  }
  return 0;
}
