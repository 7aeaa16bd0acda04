// The parts of an opened model that all its requests share. Start at Engine::compute.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "bgem3/options.h"
#include "embedder/memory_plan.h"
#include "embedder/open.h"
#include "encoder/encoder.h"
#include "kernels/ops.h"
#include "kernels/precision.h"

namespace bgem3 {

// What a request asks for, with the model's own choice where it asks for nothing.
struct CheckedOptions {
  size_t dimensions;
  Pooling pooling;
  bool normalize;
  EncodeOptions encode;
};

class Engine {
 public:
  // Reads and packs the weights. Throws as Embedder::open.
  Engine(OpenedModel opened, const OpenOptions& options);

  // By a job of the pool, of that kind: the vectors of the batch's texts, out: [batch.texts(), 1..hidden].
  // Throws ResourceLimitError if there is no memory, Stopped.
  void compute(JobKind kind, const Batch& batch, const CheckedOptions& options, Team& team, View<float> out);

  const Tokenizer tokenizer;
  ModelInfo info;  // does not change once the engine is made
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

// What the results and ids of a request take.
size_t request_bytes(size_t texts, size_t dimensions);

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
