#include "chunk_source.h"

#include <fmt/format.h>

#include <utility>

namespace bgem3::cli {

namespace {

// The id as other front ends know it: a string without its quotes.
std::string plain_id(const std::string& json) { return json.starts_with('"') ? json.substr(1, json.size() - 2) : json; }

}  // namespace

void ChunkSource::read_chunks() {
  chunks_.clear();
  next_ = 0;
  if (!document_.reason.empty()) return;
  try {
    chunks_ = chunker_.chunk_text(document_.text, {.document_id = plain_id(document_.id)});
  } catch (const InvalidInputError& error) {
    document_.reason = error.what();
    return;
  }
  text_ = std::make_shared<const std::string>(std::move(document_.text));
  ++count_;
  empty_ += chunks_.empty();
}

ReadResult ChunkSource::next(Record& record, bool wait) {
  while (next_ == chunks_.size()) {
    const ReadResult result = documents_.next(document_, wait);
    if (result != ReadResult::record) return result;
    read_chunks();
    if (!document_.reason.empty()) {
      record = document_;
      record.row = row_++;
      return ReadResult::record;
    }
  }
  TextChunk& chunk = chunks_[next_++].text_chunk;
  record = Record();
  record.file = document_.file;
  record.line = document_.line;
  record.row = row_++;
  record.id = json_string(chunk.metadata.chunk_id);
  record.has_own_id = true;
  record.text = std::move(chunk.content);
  record.chunk = {document_.id, text_, next_ == chunks_.size(), std::move(chunk.metadata)};
  return ReadResult::record;
}

void report_documents(const ChunkSource& source, Progress& progress) {
  if (source.empty_documents() == 0) return;
  progress.message(fmt::format("warning: {} without text: no chunks", plural(source.empty_documents(), "document")));
}

void append_chunk_line(std::string& line, const Record& record) {
  const ChunkMetadata& about = record.chunk->metadata;
  JsonWriter json(line);
  json.begin_object().key("id").json(record.id);
  json.key("document").json(record.chunk->document).key("index").value(about.index).key("text").value(record.text);
  if (about.token_count > 0) json.key("tokens").value(about.token_count);
  append_chunk_place(json, about);
  json.end_object();
  line += '\n';
}

void append_chunk_place(JsonWriter& json, const ChunkMetadata& about) {
  json.key("type").value(to_string(about.chunk_type));
  json.key("bytes").begin_array().value(about.start_byte).value(about.end_byte).end_array();
  json.key("characters").begin_array().value(about.start_char).value(about.end_char).end_array();
  json.key("headings").begin_array();
  for (const std::string& title : about.heading_path) json.value(title);
  json.end_array();
}

}  // namespace bgem3::cli
