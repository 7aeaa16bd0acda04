// Where vectors go, in the order of the input. Start at make_sink.
#pragma once

#include <memory>
#include <string>

#include "bgem3/options.h"
#include "output.h"
#include "precision.h"
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
  // Components so far that int8 had to bring into its range.
  virtual size_t clipped() const { return 0; }
};

// "vectors.npy" -> "vectors.chunks.jsonl"
std::string chunks_path(const std::string& output);

// What a sink will be given.
struct SinkContent {
  Outputs outputs;
  size_t dimensions;    // of dense vectors and of each multi-vector
  Precision precision;  // in which these are written
  size_t vocabulary;    // ids of the sparse output are below it
  bool chunks;          // records are chunks
};

// The sink of `embed`: JSON lines (rejected records are absent), an .npy of the dense vectors (their rows are NaN, in
// int8 -128; in ubinary there is no such row, nor reject()), or an .npz of all outputs (they have no tokens). Where
// records are chunks, each JSON line says which, and beside an .npy or .npz a file has a line for each row. Throws
// OutputError. The formats: docs/outputs.md.
std::unique_ptr<VectorSink> make_sink(OutputKind kind, const std::string& path, const SinkContent& content);

}  // namespace bgem3::cli
