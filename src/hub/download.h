// One file of a repository into the cache, whatever the network does. Start at download.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "bgem3/hub.h"
#include "hub/cache.h"
#include "hub/content_hash.h"
#include "hub/protocol.h"

namespace bgem3 {

// Counts the bytes of a pull for whoever watches.
class Meter {
 public:
  explicit Meter(std::function<void(const PullProgress&)> watch) : watch_(std::move(watch)) {}

  void expect(uint64_t bytes) { progress_.bytes_total += bytes; }
  void found(uint64_t bytes) {
    progress_.bytes_done += bytes;
    tell();
  }  // that need not be transferred
  void transferred(uint64_t bytes);
  void lost(uint64_t bytes) {
    progress_.bytes_done -= bytes;
    tell();
  }  // that must be transferred again
  const PullProgress& progress() const { return progress_; }

 private:
  using Clock = std::chrono::steady_clock;
  void tell();

  std::function<void(const PullProgress&)> watch_;
  PullProgress progress_;
  Clock::time_point start_ = Clock::now();
};

// What is to be fetched.
struct Target {
  std::string repository, commit;
  HubFile file;
  std::string published;  // SHA-256, or empty
};

// Bytes of the file that a partial file of an earlier call has.
uint64_t partial_bytes(const RepositoryCache& cache, const HubFile& file);

// Brings the blob into the cache: takes its lock, goes on with a partial file, checks size and hash, gives it its name.
// `is_intact` tells of a blob that is there, under the lock, whether it can stay. Answers the bytes transferred. Throws
// ModelLoadingError: corrupt (then the partial file is removed), not_found, io (then it is kept);
// EmbeddingGenerationError (cancelled).
uint64_t download(HubClient& hub, const RepositoryCache& cache, const Target& target, std::stop_token stop,
                  Meter& meter, const std::function<bool(const std::string& path)>& is_intact);

}  // namespace bgem3
