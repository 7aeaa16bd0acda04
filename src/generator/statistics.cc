#include "generator/statistics.h"

#include <sys/resource.h>

#include <fstream>
#include <string>

namespace bgem3 {
namespace {

constexpr double kBytesOfGib = 1 << 30;

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

void Counters::add(const Counters& other) {
  texts += other.texts;
  computed += other.computed;
  batches += other.batches;
  tokens += other.tokens;
  truncated += other.truncated;
  failed += other.failed;
  cache_hits += other.cache_hits;
  cache_misses += other.cache_misses;
  seconds += other.seconds;
}

// Not getrusage first: a process inherits its peak from the one it was forked from.
size_t peak_resident_bytes() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) * 1024;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<size_t>(usage.ru_maxrss) * 1024;
}

ProcessingStats to_stats(const Counters& counters) {
  ProcessingStats stats;
  stats.total_embeddings = counters.texts;
  stats.total_processing_time = counters.seconds;
  stats.average_batch_size = ratio(static_cast<double>(counters.computed), static_cast<double>(counters.batches));
  stats.memory_usage_peak = static_cast<double>(peak_resident_bytes()) / kBytesOfGib;
  stats.avg_time_per_embedding = ratio(counters.seconds, static_cast<double>(counters.texts));
  stats.batches = counters.batches;
  stats.tokens = counters.tokens;
  stats.tokens_per_second = ratio(static_cast<double>(counters.tokens), counters.seconds);
  stats.truncated = counters.truncated;
  stats.failed = counters.failed;
  stats.cache_hits = counters.cache_hits;
  stats.cache_misses = counters.cache_misses;
  return stats;
}

}  // namespace bgem3
