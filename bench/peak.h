// The machine's own limits, measured: what every figure of a benchmark is a share of. Start at peak_loops.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace bgem3::bench {

// A loop over independent chains of the widest multiply-add that an instruction set has for a type. Operands and sums
// stay in registers: nothing but the arithmetic units limits it.
struct PeakLoop {
  std::string_view isa;    // the set that brought the instruction: "scalar", "avx2", "avx512", ...
  std::string_view dtype;  // "f32", "bf16", "int8"
  double operations;       // of one step; a multiply-add counts as two
  void (*run)(size_t steps);
};

// Slowest sets first. A set without a loop of its own for a type computes it with the loop of a set before it: bf16
// without its instruction at the speed of f32. Only loops of sets that the machine has may be run.
std::span<const PeakLoop> peak_loops();

// Reads memory once, in order, at the speed of one core. bytes: a multiple of 128.
void read_memory(const std::byte* data, size_t bytes);

}  // namespace bgem3::bench
