// The way of a document: clusters and a first tokenization (Document, Measure), blocks (BlockReader), pieces
// (PieceCutter), chunks (Assembly), and here what each chunk says about itself.
#include "bgem3/chunker.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/sha256.h"
#include "chunker/assembly.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

constexpr size_t kIdDigits = 16;

void check(const ChunkingConfig& config, const Tokenizer* tokenizer) {
  const bool in_tokens = config.unit == "tokens";
  if (!in_tokens && config.unit != "characters") {
    fail<InvalidInputError>(ErrorCode::invalid_input, "unit: expected tokens or characters, found '{}'", config.unit);
  }
  if (in_tokens && !tokenizer) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "unit: tokens need a tokenizer; pass one, or use characters");
  }
  if (config.min_chunk_size > config.target_chunk_size || config.target_chunk_size > config.max_chunk_size) {
    fail<InvalidInputError>(
        ErrorCode::invalid_input,
        "chunk sizes: expected min_chunk_size <= target_chunk_size <= max_chunk_size, found {}, {}, {}",
        config.min_chunk_size, config.target_chunk_size, config.max_chunk_size);
  }
  if (config.overlap > config.target_chunk_size - config.min_chunk_size) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "overlap: expected at most target_chunk_size - min_chunk_size = {}, found {}",
                            config.target_chunk_size - config.min_chunk_size, config.overlap);
  }
  const size_t around = in_tokens ? count_tokens("", config, *tokenizer) : 0;
  if (config.max_chunk_size - config.overlap <= around) {
    fail<InvalidInputError>(
        ErrorCode::invalid_input,
        "max_chunk_size: expected more than the {} {} around every text and the overlap of {}, found {}", around,
        config.unit, config.overlap, config.max_chunk_size);
  }
}

std::map<std::string, std::string> document_metadata(const ChunkContext& context) {
  std::map<std::string, std::string> metadata = context.metadata;
  if (context.document_id) metadata["document_id"] = *context.document_id;
  if (context.title) metadata["title"] = *context.title;
  if (context.source) metadata["source"] = *context.source;
  return metadata;
}

std::string digest(const std::string& bytes) {
  return sha256_hex(std::as_bytes(std::span(bytes))).substr(0, kIdDigits);
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

const char* to_string(ChunkType type) {
  switch (type) {
    case ChunkType::heading:
      return "heading";
    case ChunkType::paragraph:
      return "paragraph";
    case ChunkType::list:
      return "list";
    case ChunkType::code:
      return "code";
    case ChunkType::table:
      return "table";
  }
  return "unknown";
}

TextChunker::TextChunker(ChunkingConfig config, std::shared_ptr<const Tokenizer> tokenizer)
    : config_(std::move(config)), tokenizer_(std::move(tokenizer)) {
  check(config_, tokenizer_.get());
}
TextChunker::~TextChunker() = default;
TextChunker::TextChunker(TextChunker&&) noexcept = default;
TextChunker& TextChunker::operator=(TextChunker&&) noexcept = default;

std::vector<DocumentChunk> TextChunker::chunk_text(std::string_view text, const ChunkContext& context) const {
  if (const auto [begin, end] = utf8::find_ill_formed(text, 0); begin != text.size()) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "text: byte {}: not UTF-8 (0x{:02X}); convert the text to UTF-8",
                            begin, static_cast<unsigned char>(text[begin]));
  }
  const Document document(text);
  const Measure measure(document, config_, tokenizer_.get());
  const std::vector<Span> spans = Assembly(document, measure, config_).run();

  const std::map<std::string, std::string> about_document = document_metadata(context);
  std::unordered_map<std::string, size_t> seen;  // ids
  std::vector<DocumentChunk> chunks;
  chunks.reserve(spans.size());
  size_t at_byte = 0, at_char = 0;  // of the last chunk's start
  for (const Span& span : spans) {
    const std::string_view content = document.text(span.range);
    DocumentChunk& chunk = chunks.emplace_back(DocumentChunk{{std::string(content), {}}, about_document});
    ChunkMetadata& metadata = chunk.text_chunk.metadata;
    metadata.chunk_id = digest(context.document_id.value_or("") + '\0' + chunk.text_chunk.content);
    if (const size_t before = seen[metadata.chunk_id]++; before > 0) {
      metadata.chunk_id = digest(metadata.chunk_id + std::to_string(before));
    }
    metadata.token_count = config_.unit == "tokens" ? span.size : measure.tokens(span.range);
    metadata.chunk_type = span.type;
    metadata.start_byte = span.range.begin;
    metadata.end_byte = span.range.end;
    at_char += count_characters(text.substr(at_byte, span.range.begin - at_byte));
    at_byte = span.range.begin;
    metadata.start_char = at_char;
    metadata.end_char = at_char + count_characters(content);
    metadata.index = chunks.size() - 1;
    metadata.heading_path = span.heading_path;
  }
  return chunks;
}

}  // namespace bgem3
