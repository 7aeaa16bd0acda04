#include "sink.h"

#include <optional>

#include "chunk_source.h"
#include "json_writer.h"
#include "npy.h"

namespace bgem3::cli {

namespace {

class JsonlSink : public VectorSink {
 public:
  explicit JsonlSink(OutputFile file) : file_(std::move(file)) {}

  void accept(const Record& record, const Embedding& embedding) override {
    line_.clear();
    JsonWriter json(line_);
    json.begin_object();
    json.key("id").json(record.id);
    if (record.chunk) {
      json.key("document").json(record.chunk->document).key("index").value(record.chunk->metadata.index);
      append_chunk_place(json, record.chunk->metadata);
    }
    json.key("embedding").value(embedding.dense);
    json.key("tokens").value(embedding.tokens);
    json.key("truncated").value(embedding.truncated);
    if (embedding.replaced_utf8 > 0) json.key("replaced_utf8").value(embedding.replaced_utf8);
    json.end_object();
    line_ += '\n';
    file_.write(line_);
  }

  void reject(const Record&) override {}
  void flush() override { file_.flush(); }
  void finish() override { file_.finish(); }

 private:
  OutputFile file_;
  std::string line_;
};

class NpySink : public VectorSink {
 public:
  NpySink(const std::string& path, size_t columns, bool chunks) : writer_(path, columns) {
    if (chunks) chunks_.emplace(chunks_path(path));
  }

  void accept(const Record& record, const Embedding& embedding) override {
    writer_.write_row(embedding.dense);
    describe(record);
  }
  void reject(const Record& record) override {
    writer_.write_nan_row();
    describe(record);
  }
  void finish() override {
    if (chunks_) chunks_->publish();
    writer_.publish();
  }

 private:
  // Line i is row i: a chunk, or a document that was rejected.
  void describe(const Record& record) {
    if (!chunks_) return;
    line_.clear();
    if (record.chunk) {
      append_chunk_line(line_, record);
    } else {
      JsonWriter(line_)
          .begin_object()
          .key("document")
          .json(record.id)
          .key("rejected")
          .value(record.reason)
          .end_object();
      line_ += '\n';
    }
    chunks_->out().write(line_);
  }

  NpyWriter writer_;
  std::optional<AtomicFile> chunks_;
  std::string line_;
};

}  // namespace

std::string chunks_path(const std::string& output) { return output.substr(0, output.rfind('.')) + ".chunks.jsonl"; }

std::unique_ptr<VectorSink> make_sink(OutputKind kind, const std::string& path, size_t columns, bool chunks) {
  if (kind == OutputKind::npy) return std::make_unique<NpySink>(path, columns, chunks);
  return std::make_unique<JsonlSink>(kind == OutputKind::standard ? OutputFile::standard() : OutputFile::create(path));
}

}  // namespace bgem3::cli
