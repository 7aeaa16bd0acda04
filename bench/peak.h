// The machine's own limits, measured: what every figure of a benchmark is a share of. Start at fma_flops.
#pragma once

#include <cstddef>
#include <string_view>

namespace bgem3::bench {

// Runs `steps` rounds of 24 fused multiply-adds in 12 independent chains of the widest f32 vectors of an instruction
// set ("avx2", "avx512", otherwise scalar) and answers the floating-point operations done (two for each lane of each).
// The result goes through registers only: nothing but the arithmetic units limits it.
double fma_flops(std::string_view isa, size_t steps);

}  // namespace bgem3::bench
