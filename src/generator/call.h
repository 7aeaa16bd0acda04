// One call of a generator: texts in, vectors and what is known of each out. Start at Call::run.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "generator/impl.h"

namespace bgem3 {

// What happened to one text.
struct Outcome {
  size_t tokens = 0;
  bool truncated = false;
  double quality = 0;
  double milliseconds = 0;
  std::chrono::system_clock::time_point when = {};
};

// What to do where memory does not suffice: throw, or halve the batch and never throw because of a text.
enum class OnMemory { raise, halve };

// One call. Its counters and failures reach the generator when it ends, however it ends.
class Call {
 public:
  Call(EmbeddingGenerator::Impl& generator, std::span<const std::string_view> texts, int64_t batch_size,
       const CallOptions& options, OnMemory on_memory);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Fills what is below. Throws as EmbeddingGenerator::generate_embeddings.
  void run();

  std::shared_ptr<const LoadedModel> model;
  EmbeddingMatrix matrix;
  std::vector<Outcome> outcomes;
  const std::vector<TextFailure>& failures() const { return failures_; }

 private:
  void check_limits() const;
  void check_tokens() const;
  void make_room();
  std::vector<size_t> texts_to_compute();
  bool recall(size_t index);
  void compute_all(std::span<const size_t> wanted);
  void compute(std::span<const size_t> batch);
  void settle(size_t index, std::span<const float> vector, const Outcome& outcome);
  void write_history() const;
  void fail_text(size_t index, ErrorCode code, std::string reason);
  void settle_failures();

  EmbeddingGenerator::Impl& generator_;
  const EmbeddingConfig& config_;
  const std::span<const std::string_view> texts_;
  const CallOptions& options_;
  const size_t batch_size_;
  const bool raise_;
  const OnMemory on_memory_;
  std::shared_ptr<const void> memory_;  // of the results
  std::string context_;                 // what a vector depends on beside its text
  std::vector<CacheKey> keys_;          // [texts], with a cache
  EmbedOptions embed_;
  Counters counters_;
  std::vector<TextFailure> failures_;
  size_t told_failures_ = 0;
  std::optional<Clock::time_point> began_;  // with the model at hand
};

}  // namespace bgem3
