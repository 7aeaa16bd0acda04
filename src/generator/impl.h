// What a generator holds, and what its calls share. Start at EmbeddingGenerator::Impl.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bgem3/generator.h"
#include "generator/embedding_cache.h"
#include "generator/history.h"
#include "generator/model_registry.h"
#include "generator/statistics.h"

namespace bgem3 {

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The mutexes are never held while computing or calling the user's functions.
struct EmbeddingGenerator::Impl {
  const EmbeddingConfig config;
  const EventHandler on_event;
  std::unique_ptr<EmbeddingCache> cache;  // empty: not wanted
  std::unique_ptr<HistoryWriter> history;

  std::mutex loading;  // taken before `mutex`
  mutable std::mutex mutex;
  std::shared_ptr<const LoadedModel> loaded;  // this and below: guarded by `mutex`
  std::shared_ptr<const void> cache_memory;   // reserved in `loaded`, so it must go first
  double load_seconds = 0;
  Counters counters;
  std::vector<TextFailure> failures;

  Impl(EmbeddingConfig given, EventHandler handler);

  using Fields = std::vector<std::pair<std::string, Event::Value>>;
  void tell(EventLevel level, std::string name, std::string message, Fields fields = {}) const;
  void tell_of_cache() const;  // what went wrong with its file
  void tell_of_load(const LoadedModel& model, double seconds) const;

  std::shared_ptr<const LoadedModel> current() const;  // empty: not loaded
  std::shared_ptr<const LoadedModel> load();
  size_t max_tokens(const LoadedModel& model) const;  // of the configuration, or the model's own if that is smaller
};

}  // namespace bgem3
