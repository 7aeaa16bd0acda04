// The kernels by themselves, at bge-m3's sizes, products beside oneDNN's. Start at bench_kernels.
#pragma once

#include <span>

#include "kernels/ops.h"
#include "measure.h"

namespace bgem3::bench {

// Measures and prints the groups "product" and "attention", in turns with `peaks`. Weights come from memory, as in a
// model: a matrix is not used again before 320 MB of others were.
void bench_kernels(const Ops& ops, int threads, std::span<Contender* const> peaks, int rounds);

}  // namespace bgem3::bench
