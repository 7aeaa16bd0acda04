// Documents into chunks that fit a model, cut where a reader would cut. Start at open_chunker and
// TextChunker::chunk_text; docs/chunking.md has the rules.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bgem3/error.h"
#include "bgem3/tokenizer.h"

#pragma GCC visibility push(default)
namespace bgem3 {

// What most of a chunk is. Headings count only where nothing else is in it.
enum class ChunkType { heading, paragraph, list, code, table };

// The name as written above. Never null; static storage.
const char* to_string(ChunkType type);

// How to chunk. Sizes are in `unit`s; one in tokens counts the tokens around every text (<s> ... </s>) and the prompt.
struct ChunkingConfig {
  size_t target_chunk_size = 400;  // chunks of long sections come close to it from below
  size_t min_chunk_size = 50;      // a smaller chunk is joined with a neighbour if both fit into the maximum
  size_t max_chunk_size = 512;     // never exceeded
  size_t overlap = 0;  // most units that a chunk repeats from the end of the one before; none where it begins with a
                       // heading. At most target_chunk_size - min_chunk_size
  std::string unit = "tokens";             // or "characters": Unicode code points, as Python's len() counts
  std::string model_name = "BAAI/bge-m3";  // whose tokens; open_chunker opens its tokenizer
  std::string prompt = "";                 // what will be put in front of every chunk (EmbedOptions::prompt): counted
  SpecialTokensInText special_tokens_in_text = SpecialTokensInText::match;
};

// What is known of a document; all of it goes into its chunks' document_metadata.
struct ChunkContext {
  std::optional<std::string> document_id = {};  // also part of the chunk ids
  std::optional<std::string> title = {};
  std::optional<std::string> source = {};
  std::map<std::string, std::string> metadata = {};
};

struct ChunkMetadata {
  // 16 hexadecimal digits from document_id, content, and how many chunks of the document had this content before: the
  // same document gives the same ids, and a change of one passage leaves those of others as they are.
  std::string chunk_id;
  size_t token_count = 0;  // as the model will count them, prompt included; 0 if the chunker has no tokenizer
  ChunkType chunk_type = ChunkType::paragraph;
  size_t start_byte = 0;  // the content is bytes [start_byte, end_byte) of the document
  size_t end_byte = 0;
  size_t start_char = 0;  // the same in code points
  size_t end_char = 0;
  size_t index = 0;                       // in the document, from 0
  std::vector<std::string> heading_path;  // titles of the sections that the chunk's first text is in, outermost first
};

struct TextChunk {
  std::string content;
  ChunkMetadata metadata;
};

struct DocumentChunk {
  TextChunk text_chunk;
  std::map<std::string, std::string> document_metadata;  // of the context: document_id, title, source, metadata
};

// Cuts documents. Immutable; any number of threads may call the const methods at the same time.
class TextChunker {
 public:
  // `tokenizer` counts the tokens; it may be null if the unit is characters. Throws InvalidInputError: sizes that
  // contradict each other, an unknown unit, no tokenizer.
  TextChunker(ChunkingConfig config, std::shared_ptr<const Tokenizer> tokenizer);
  ~TextChunker();
  TextChunker(TextChunker&&) noexcept;
  TextChunker& operator=(TextChunker&&) noexcept;

  // The chunks of a document, Markdown or plain text, in its order; none if it is all white space. Every character that
  // is not white space is in a chunk; white space between chunks is in none. No grapheme cluster is cut, and no word
  // but one that alone exceeds the maximum. Throws InvalidInputError: not UTF-8, or a maximum that does not hold a
  // single character. Cost: linear in the document; it is tokenized twice.
  std::vector<DocumentChunk> chunk_text(std::string_view text, const ChunkContext& context = {}) const;

  const ChunkingConfig& config() const { return config_; }

 private:
  ChunkingConfig config_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

// A chunker with the tokenizer of config.model_name (a folder, or a name in the Hugging Face cache); in characters it
// needs no model and opens none. Throws ModelLoadingError, and what the constructor throws.
TextChunker open_chunker(const ChunkingConfig& config = {});

}  // namespace bgem3
#pragma GCC visibility pop
