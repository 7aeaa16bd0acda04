// Where vectors go, in the order of the input. Start at make_sink.
#pragma once

#include <memory>
#include <string>

#include "bgem3/options.h"
#include "output.h"
#include "text_reader.h"

namespace bgem3::cli {

class VectorSink {
 public:
  virtual ~VectorSink() = default;
  virtual void accept(const Record& record, const Embedding& embedding) = 0;
  virtual void reject(const Record& record) = 0;
  // Lets readers see what was accepted so far.
  virtual void flush() {}
  // The run is complete: make the results durable.
  virtual void finish() {}
};

// "vectors.npy" -> "vectors.chunks.jsonl"
std::string chunks_path(const std::string& output);

// The sink of `embed`: JSON lines (rejected records are absent) or an .npy (their rows are NaN). With `chunks`, records
// are chunks: each JSON line says which, and beside the .npy a file has a line for each row. Throws OutputError.
std::unique_ptr<VectorSink> make_sink(OutputKind kind, const std::string& path, size_t columns, bool chunks);

}  // namespace bgem3::cli
