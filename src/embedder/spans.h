// Late chunking: vectors of parts of a document, from one pass over all of it. Start at SpanRequest::run.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bgem3/embedder.h"
#include "bgem3/options.h"
#include "embedder/engine.h"

namespace bgem3 {

class SpanRequest {
 public:
  // Everything must outlive the request. result: of so many spans, NaN at first.
  SpanRequest(Engine& engine, std::string_view document, std::span<const ByteRange> spans, const EmbedOptions& options,
              const CheckedOptions& checked, EmbedResult& result);

  // Fills the result, with the callbacks on this thread. Throws what Embedder::embed_spans does.
  void run();

 private:
  Encoding encode() const;
  void find_rows(const Encoding& encoding);
  void compute(const Encoding& encoding);
  void set_error(size_t index, ErrorCode code, const std::string& message);

  Engine& engine_;
  const size_t document_bytes_;
  const std::string text_;  // the prompt and the document
  const std::span<const ByteRange> spans_;
  const EmbedOptions& options_;
  const CheckedOptions& checked_;
  EmbedResult& result_;
  // Of the spans that have tokens: which they are, and the rows of their tokens in the pass.
  std::vector<size_t> indices_;
  std::vector<RowRange> rows_;
};

}  // namespace bgem3
