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

// The sink of `embed`: JSON lines (rejected records are absent) or an .npy (their rows are NaN). Throws OutputError.
std::unique_ptr<VectorSink> make_sink(OutputKind kind, const std::string& path, size_t columns);

}  // namespace bgem3::cli
