// The parts of an opened model that all its requests share. Start at Engine::compute.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "bgem3/options.h"
#include "embedder/memory_plan.h"
#include "embedder/open.h"
#include "encoder/encoder.h"
#include "encoder/heads.h"
#include "kernels/ops.h"
#include "kernels/precision.h"

namespace bgem3 {

// What a request asks for, with the model's own choice where it asks for nothing.
struct CheckedOptions {
  Outputs outputs;
  size_t dimensions;
  Pooling pooling;
  bool normalize;
  EncodeOptions encode;
};

// Where the outputs of a pass go; those that are not asked for are empty.
struct PassOutputs {
  View<float> dense = {};                // [texts, dimensions]; or, with spans, [spans, dimensions]
  std::span<const RowRange> spans = {};  // tokens of the batch whose means are the dense vectors
  std::span<float> token_weights = {};   // [tokens]: what the sparse output is made of
  std::span<float* const> multi = {};    // of each text: [tokens - 1, dimensions]
};

class Engine {
 public:
  // Reads and packs the weights. Throws as Embedder::open.
  Engine(OpenedModel opened, const OpenOptions& options);

  // By a job of the pool, of that kind: the outputs of the batch's texts. Throws ResourceLimitError if there is no
  // memory, Stopped.
  void compute(JobKind kind, const Batch& batch, const CheckedOptions& options, Team& team, const PassOutputs& out);

  const Ops& ops() const { return ops_; }

  const Tokenizer tokenizer;
  const std::vector<uint32_t> sparse_dropped;  // ids that have no place in the sparse output
  ModelInfo info;                              // does not change once the engine is made
  ThreadPool pool;

 private:
  friend class MemoryShare;
  Encoder load_encoder(OpenedModel& opened);

  const Ops& ops_;
  const size_t ceiling_bytes_;
  const Precision precision_;
  size_t held_bytes_ = 0;  // by the process, all weights included; set by load_encoder
  const Encoder encoder_;

 public:
  const MemoryPlan plan;

 private:
  using Place = std::optional<Workspace>;  // made by the first pass, and again for a longer one
  std::vector<Place> solo_;                // one a thread
  Place all_, urgent_;                     // the pool runs one such job at a time
  std::atomic<size_t> request_bytes_ = 0;  // in use, of plan.request_bytes
};

// What the results and ids of a request take: of its texts, and beside that of their tokens where sparse or
// multi-vectors are asked for.
size_t request_bytes(size_t texts, const CheckedOptions& options);
size_t token_outputs_bytes(size_t tokens, size_t multi_rows, const CheckedOptions& options);

// Memory beside the model and its passes, such as one request's results and ids, while it lives.
class MemoryShare {
 public:
  // Throws ResourceLimitError, which names `what` it is for, if that is more than the ceiling leaves for requests, or
  // for one more of them.
  MemoryShare(Engine& engine, size_t bytes, const std::string& what);
  ~MemoryShare();
  MemoryShare(const MemoryShare&) = delete;
  MemoryShare& operator=(const MemoryShare&) = delete;

 private:
  Engine& engine_;
  size_t bytes_;
};

}  // namespace bgem3
