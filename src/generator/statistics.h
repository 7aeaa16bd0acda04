// The counters behind ProcessingStats.
#pragma once

#include <cstddef>

#include "bgem3/generator.h"

namespace bgem3 {

// Of one call, or the sum of all; plain numbers, guarded by their owner.
struct Counters {
  size_t texts = 0;
  size_t computed = 0;  // texts of batches
  size_t batches = 0;
  size_t tokens = 0;
  size_t truncated = 0;
  size_t failed = 0;
  size_t cache_hits = 0;
  size_t cache_misses = 0;
  double seconds = 0;

  void add(const Counters& other);
};

// The largest resident memory this process ever had.
size_t peak_resident_bytes();

// What the counters say; the fields that are not counted are left to the caller.
ProcessingStats to_stats(const Counters& counters);

}  // namespace bgem3
