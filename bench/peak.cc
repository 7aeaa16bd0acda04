#include "peak.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bgem3::bench {
namespace {

// The registers are named so that no compiler moves a sum to memory; 24 chains hide the latency of 4 cycles twice over.
#define BGEM3_FMA(r, i) "vfmadd231ps %%" r "14, %%" r "15, %%" r #i "\n"
#define BGEM3_FMA_12(r)                                                                                           \
  BGEM3_FMA(r, 0)                                                                                                 \
  BGEM3_FMA(r, 1)                                                                                                 \
  BGEM3_FMA(r, 2) BGEM3_FMA(r, 3) BGEM3_FMA(r, 4) BGEM3_FMA(r, 5) BGEM3_FMA(r, 6) BGEM3_FMA(r, 7) BGEM3_FMA(r, 8) \
      BGEM3_FMA(r, 9) BGEM3_FMA(r, 10) BGEM3_FMA(r, 11)

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f")
void fma_avx512(size_t steps) {
  asm volatile("vzeroall" ::: "memory");
  for (size_t i = 0; i < steps; i++) {
    asm volatile(BGEM3_FMA_12("zmm") BGEM3_FMA_12("zmm")::
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                       "xmm14", "xmm15");
  }
}
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
void fma_avx2(size_t steps) {
  asm volatile("vzeroall" ::: "memory");
  for (size_t i = 0; i < steps; i++) {
    asm volatile(BGEM3_FMA_12("ymm") BGEM3_FMA_12("ymm")::
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                       "xmm14", "xmm15");
  }
}
#pragma GCC pop_options
#endif

void fma_scalar(size_t steps) {
  float sums[24] = {};
  for (size_t i = 0; i < steps; i++) {
    for (float& sum : sums) {
      sum = sum * 0.5f + 1;
      asm volatile("" : "+x"(sum));
    }
  }
}

}  // namespace

double fma_flops(std::string_view isa, size_t steps) {
  const double chains = 24.0 * static_cast<double>(steps);
#if defined(__x86_64__)
  if (isa == "avx512") return fma_avx512(steps), chains * 32;
  if (isa == "avx2") return fma_avx2(steps), chains * 16;
#endif
  return fma_scalar(steps), chains * 2;
}

}  // namespace bgem3::bench
