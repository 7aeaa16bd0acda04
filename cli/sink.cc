#include "sink.h"

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
  NpySink(const std::string& path, size_t columns) : writer_(path, columns) {}

  void accept(const Record&, const Embedding& embedding) override { writer_.write_row(embedding.dense); }
  void reject(const Record&) override { writer_.write_nan_row(); }
  void finish() override { writer_.publish(); }

 private:
  NpyWriter writer_;
};

}  // namespace

std::unique_ptr<VectorSink> make_sink(OutputKind kind, const std::string& path, size_t columns) {
  if (kind == OutputKind::npy) return std::make_unique<NpySink>(path, columns);
  return std::make_unique<JsonlSink>(kind == OutputKind::standard ? OutputFile::standard() : OutputFile::create(path));
}

}  // namespace bgem3::cli
