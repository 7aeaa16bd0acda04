// MaxSim through its public interface, at bge-m3's size. Start at bench_scoring.
#pragma once

#include <span>
#include <string>

#include "measure.h"

namespace bgem3::bench {

// Measures and prints the group "max_sim", on one thread and on `threads`, in turns with `peaks`: a query of 8, 32 and
// 128 vectors with 1,000 passages of 128 vectors, 512 MB that come from memory.
void bench_scoring(const std::string& isa, int threads, std::span<Contender* const> peaks, int rounds);

}  // namespace bgem3::bench
