// One request on its way: tokenizing on the caller's thread while the pool computes. Start at Request::run.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "bgem3/embedder.h"
#include "bgem3/options.h"
#include "embedder/engine.h"
#include "embedder/scheduler.h"

namespace bgem3 {

inline constexpr const char* kCancelled = "cancelled before this text was computed";
inline constexpr const char* kNotFinite =
    "the vector has values that are not finite; the model's weights may be damaged or too large for f32";
// How long a caller waits without a look at the world: EmbedOptions::on_wait.
inline constexpr std::chrono::milliseconds kWaitInterval(50);

class Request {
 public:
  // The tokens of a text; may throw InvalidInputError, which is then that text's error. Called on the caller's thread,
  // and again where the ids of an earlier text may be the same.
  using Encode = std::function<Encoding(size_t index)>;

  // All but `encode` must outlive the request. result: of so many texts, its dense vectors NaN at first.
  Request(Engine& engine, Encode encode, const EmbedOptions& options, const CheckedOptions& checked,
          EmbedResult& result);
  ~Request();

  // Fills the result, with the callbacks on this thread. Throws what a pass throws, but waits first for the passes that
  // have begun, and ResourceLimitError.
  void run();

 private:
  struct PassWork;

  void tokenize(size_t index);
  bool is_computed_already(size_t index, const std::vector<uint32_t>& ids);
  void lay_out_tokens();
  void submit(Part part);
  void work(PassWork& pass, Team& team);
  void collect(bool wait);
  void deliver(const PassWork& pass);
  void finish(size_t index);
  std::span<float> dense_of(size_t index);
  std::span<float> multi_of(size_t index);
  void show_tokens(size_t index, size_t sparse_count);
  void copy_outputs(size_t from, size_t to);
  void set_error(size_t index, ErrorCode code, std::string message);
  void report_progress();

  Engine& engine_;
  const Encode encode_;
  const EmbedOptions& options_;
  const CheckedOptions& checked_;
  EmbedResult& result_;
  const std::span<Embedding> embeddings_;  // of the result

  // Where outputs have a size for each token, all texts are tokenized before work begins: then it is known what there
  // will be, and one array holds it.
  const bool has_token_outputs_;
  std::optional<MemoryShare> tokens_memory_;
  std::vector<size_t> sparse_starts_;  // [texts]: in the result's arrays

  // Texts that are tokenized and not yet submitted: a portion of the request.
  struct Waiting {
    size_t index;
    std::vector<uint32_t> ids;
  };
  std::vector<Waiting> waiting_;
  size_t waiting_tokens_ = 0;

  // Texts with the ids of an earlier one take its vector.
  std::unordered_map<size_t, size_t> first_with_hash_;
  std::unordered_map<size_t, std::vector<size_t>> followers_;  // of texts that are not finished
  std::vector<bool> finished_;
  size_t done_ = 0, reported_ = 0;

  std::unordered_map<PassWork*, std::unique_ptr<PassWork>> passes_;  // submitted and not delivered
  size_t tokens_in_passes_ = 0;

  std::mutex mutex_;  // guards what is below
  std::condition_variable ended_;
  std::vector<PassWork*> ended_passes_;  // has room for all: the end of a pass needs no memory

  JobQueue queue_;  // last: nothing else may go before its jobs have ended
};

}  // namespace bgem3
