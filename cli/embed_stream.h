// Texts of an input through the engine to a sink, a piece at a time. Used by `embed` and `search`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "bgem3/embedder.h"
#include "progress.h"
#include "rejections.h"
#include "signals.h"
#include "sink.h"
#include "text_reader.h"

namespace bgem3::cli {

struct StreamCounts {
  size_t texts = 0;  // embedded
  uint64_t tokens = 0;
  size_t truncated = 0;
  size_t windowed = 0;        // computed in several windows
  size_t replaced_texts = 0;  // with ill-formed UTF-8 in them
  size_t replaced_utf8 = 0;   // ill-formed parts
  size_t repeated_ids = 0;
  double seconds = 0;
  bool stopped = false;  // by a signal: rows before next_row are in the sink, nothing after them
  size_t next_row = 0;
};

// Embeds every record of the source and hands all of them to the sink in their order. Memory is bounded by one piece,
// which grows as long as it takes about a second: results appear early, and passes are still well filled. Throws what
// the reader, the sink, the rejections and Embedder::embed throw; the sink then has every earlier record.
//   late_chunking: records that are chunks are spans of their documents (Embedder::embed_spans), each of which goes
//   through the model in one pass; one that does not fit rejects its chunks.
StreamCounts embed_stream(RecordSource& reader, const Embedder& embedder, EmbedOptions options, Rejections& rejections,
                          VectorSink& sink, Progress& progress, const Signals& signals, bool late_chunking = false);

// The lines at the start of a run: what the user may want to know of the model, and, unless `quiet`,
// "BAAI/bge-m3: f32 on avx512, 2 threads".
void report_engine(const ModelInfo& info, bool quiet, Progress& progress);

// The lines at the end of a run: what was truncated, replaced, repeated or rejected, and unless `quiet` the totals.
void report_counts(const StreamCounts& counts, const Rejections& rejections, bool quiet, Progress& progress);

}  // namespace bgem3::cli
