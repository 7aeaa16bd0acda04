// Documents of an input as the records of their chunks.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bgem3/chunker.h"
#include "json_writer.h"
#include "progress.h"
#include "text_reader.h"

namespace bgem3::cli {

// Reads documents and hands out their chunks, one record each: `id` is the chunk's, `row` counts chunks. A document
// that cannot be chunked (not UTF-8), or that the reader rejects, is one record with the reason.
class ChunkSource : public RecordSource {
 public:
  // Both must outlive this object.
  ChunkSource(TextReader& documents, const TextChunker& chunker) : documents_(documents), chunker_(chunker) {}

  ReadResult next(Record& record, bool wait = true) override;
  uint64_t bytes_read() const override { return documents_.bytes_read(); }
  std::optional<uint64_t> bytes_total() const override { return documents_.bytes_total(); }

  size_t documents() const { return count_; }        // read so far and not rejected
  size_t empty_documents() const { return empty_; }  // of these, those of white space only: they have no chunks

 private:
  void read_chunks();

  TextReader& documents_;
  const TextChunker& chunker_;
  Record document_;
  std::shared_ptr<const std::string> text_;  // of document_, once it is cut
  std::vector<DocumentChunk> chunks_;        // of document_
  size_t next_ = 0;                          // of chunks_
  size_t row_ = 0;
  size_t count_ = 0;
  size_t empty_ = 0;
};

// "type", "bytes", "characters" and "headings" of a chunk, inside of an object.
void append_chunk_place(JsonWriter& json, const ChunkMetadata& about);

// {"id", "document", "index", "text", "tokens", "type", "bytes", "characters", "headings"} of a record that is a chunk,
// as one line. `tokens` only if they were counted.
void append_chunk_line(std::string& line, const Record& record);

// The line at the end of a run if there were documents without text.
void report_documents(const ChunkSource& source, Progress& progress);

}  // namespace bgem3::cli
