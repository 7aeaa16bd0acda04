// One file of a repository into the cache, whatever the network does. Start at download.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
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
  // From here on time counts.
  void start() {
    if (!start_) start_ = Clock::now();
  }
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
  std::optional<Clock::time_point> start_;
};

// What is to be fetched.
struct Target {
  std::string repository, commit;
  HubFile file;
  std::string published;  // SHA-256, or empty
};

// Bytes of the file that a partial file of an earlier call has.
uint64_t partial_bytes(const RepositoryCache& cache, const HubFile& file);

// Brings the file into its snapshot, all under the lock of its blob: takes what is there, if `is_intact` says that it
// can stay; else goes on with a partial file, checks size and hash, gives it its name. Answers the bytes transferred.
// Throws ModelLoadingError: corrupt (then the partial file is removed), not_found, io (then it is kept);
// EmbeddingGenerationError (cancelled).
uint64_t download(HubClient& hub, const RepositoryCache& cache, const Target& target, std::stop_token stop,
                  Meter& meter, const std::function<bool(const std::string& path)>& is_intact);

}  // namespace bgem3
