#include "sink.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "chunk_source.h"
#include "json_writer.h"
#include "npy.h"
#include "npz.h"

namespace bgem3::cli {

namespace {

class JsonlSink : public VectorSink {
 public:
  JsonlSink(OutputFile file, const SinkContent& content)
      : file_(std::move(file)), content_(content), packer_(content.precision, content.dimensions) {}

  void accept(const Record& record, const Embedding& embedding) override {
    line_.clear();
    JsonWriter json(line_);
    json.begin_object();
    json.key("id").json(record.id);
    if (record.chunk) {
      json.key("document").json(record.chunk->document).key("index").value(record.chunk->metadata.index);
      append_chunk_place(json, record.chunk->metadata);
    }
    if (packer_.precision() != Precision::float32) json.key("precision").value(name_of(packer_.precision()));
    if (content_.outputs.dense) write_vector(json.key("embedding"), embedding.dense, record.row);
    if (content_.outputs.sparse) {
      json.key("sparse").begin_object();
      for (size_t i = 0; i < embedding.sparse_ids.size(); i++) {
        json.key(fmt::format("{}", embedding.sparse_ids[i])).value(embedding.sparse_weights[i]);
      }
      json.end_object();
    }
    if (content_.outputs.multi) {
      json.key("multi").begin_array();
      for (size_t i = 0; i < embedding.multi.size(); i += content_.dimensions) {
        write_vector(json, embedding.multi.subspan(i, content_.dimensions), record.row);
      }
      json.end_array();
    }
    json.key("tokens").value(embedding.tokens);
    json.key("truncated").value(embedding.truncated);
    if (embedding.windows > 1) json.key("windows").value(embedding.windows);
    if (embedding.replaced_utf8 > 0) json.key("replaced_utf8").value(embedding.replaced_utf8);
    json.end_object();
    line_ += '\n';
    file_.write(line_);
  }

  void reject(const Record&) override {}
  void flush() override { file_.flush(); }
  void finish() override { file_.finish(); }
  size_t clipped() const override { return packer_.clipped(); }

 private:
  void write_vector(JsonWriter& json, std::span<const float> vector, size_t row) {
    const Precision precision = packer_.precision();
    const std::span<const std::byte> packed = packer_.pack(vector, row);
    if (precision == Precision::float32 || precision == Precision::float16) {
      json.value(unpack_vectors(precision, packed, content_.dimensions));
      return;
    }
    json.begin_array();
    for (const std::byte byte : packed) {
      const auto value = std::to_integer<uint8_t>(byte);
      json.value(precision == Precision::int8 ? int{static_cast<int8_t>(value)} : int{value});
    }
    json.end_array();
  }

  OutputFile file_;
  const SinkContent content_;
  VectorPacker packer_;
  std::string line_;
};

// The file beside arrays whose rows are chunks: line i is row i, a chunk or a document that was rejected.
class ChunkLines {
 public:
  explicit ChunkLines(const std::string& output) : file_(chunks_path(output)) {}

  void add(const Record& record) {
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
    file_.out().write(line_);
  }
  void publish() { file_.publish(); }

 private:
  AtomicFile file_;
  std::string line_;
};

class NpySink : public VectorSink {
 public:
  NpySink(const std::string& path, const SinkContent& content)
      : packer_(content.precision, content.dimensions), writer_(path, packer_.type(), packer_.columns()) {
    if (content.chunks) chunks_.emplace(path);
  }

  void accept(const Record& record, const Embedding& embedding) override {
    writer_.write_row(packer_.pack(embedding.dense, record.row));
    if (chunks_) chunks_->add(record);
  }
  void reject(const Record& record) override {
    writer_.write_row(packer_.pack_missing());
    if (chunks_) chunks_->add(record);
  }
  void finish() override {
    if (chunks_) chunks_->publish();
    writer_.publish();
  }
  size_t clipped() const override { return packer_.clipped(); }

 private:
  VectorPacker packer_;
  NpyWriter writer_;
  std::optional<ChunkLines> chunks_;
};

class NpzSink : public VectorSink {
 public:
  NpzSink(const std::string& path, const SinkContent& content)
      : writer_(path), content_(content), packer_(content.precision, content.dimensions) {
    if (content.chunks) chunks_.emplace(path);
    if (content.outputs.dense) dense_ = &writer_.add("dense", packer_.type(), packer_.columns());
    if (content.outputs.sparse) {
      sparse_ends_ = &writer_.add("sparse_indptr", "<i8");
      sparse_ids_ = &writer_.add("sparse_indices", "<i4");
      sparse_weights_ = &writer_.add("sparse_data", "<f4");
    }
    if (content.outputs.multi) {
      multi_ = &writer_.add("multi", packer_.type(), packer_.columns());
      multi_ends_ = &writer_.add("multi_offsets", "<i8");
    }
    add_ends();
  }

  void accept(const Record& record, const Embedding& embedding) override {
    if (dense_) dense_->append(packer_.pack(embedding.dense, record.row));
    if (sparse_ids_) {
      const std::vector<int32_t> ids(embedding.sparse_ids.begin(), embedding.sparse_ids.end());
      sparse_ids_->append(ids);
      sparse_weights_->append(embedding.sparse_weights);
      sparse_values_ += static_cast<int64_t>(ids.size());
    }
    if (multi_) {
      multi_->append(packer_.pack(embedding.multi, record.row));
      multi_rows_ += static_cast<int64_t>(embedding.multi.size() / content_.dimensions);
    }
    end_row(record);
  }
  void reject(const Record& record) override {
    if (dense_) dense_->append(packer_.pack_missing());
    end_row(record);
  }
  void finish() override {
    if (sparse_ids_) {
      writer_.add("sparse_shape", "<i8").append(std::vector{rows_, static_cast<int64_t>(content_.vocabulary)});
    }
    if (chunks_) chunks_->publish();
    writer_.publish();
  }
  size_t clipped() const override { return packer_.clipped(); }

 private:
  void end_row(const Record& record) {
    rows_++;
    add_ends();
    if (chunks_) chunks_->add(record);
  }
  void add_ends() {
    if (sparse_ends_) sparse_ends_->append(std::span(&sparse_values_, 1));
    if (multi_ends_) multi_ends_->append(std::span(&multi_rows_, 1));
  }

  NpzWriter writer_;
  const SinkContent content_;
  VectorPacker packer_;
  std::optional<ChunkLines> chunks_;
  using Array = NpzWriter::Array;
  Array *dense_ = nullptr, *sparse_ends_ = nullptr, *sparse_ids_ = nullptr, *sparse_weights_ = nullptr,
        *multi_ = nullptr, *multi_ends_ = nullptr;
  int64_t rows_ = 0, sparse_values_ = 0, multi_rows_ = 0;
};

}  // namespace

std::string chunks_path(const std::string& output) { return output.substr(0, output.rfind('.')) + ".chunks.jsonl"; }

std::unique_ptr<VectorSink> make_sink(OutputKind kind, const std::string& path, const SinkContent& content) {
  switch (kind) {
    case OutputKind::npy:
      return std::make_unique<NpySink>(path, content);
    case OutputKind::npz:
      return std::make_unique<NpzSink>(path, content);
    case OutputKind::standard:
      return std::make_unique<JsonlSink>(OutputFile::standard(), content);
    case OutputKind::jsonl:
      return std::make_unique<JsonlSink>(OutputFile::create(path), content);
  }
  return nullptr;
}

}  // namespace bgem3::cli
