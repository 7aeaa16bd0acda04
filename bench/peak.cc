#include "peak.h"

namespace bgem3::bench {
namespace {

// The registers are named so that no compiler moves a sum to memory; 12 chains hide a latency of 4 cycles, also where
// two multiply-adds start in a cycle.
#define BGEM3_24_FMAS(kind)                         \
  ".rept 2\n"                                       \
  ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11\n"             \
  "vfmadd231ps %%" kind "14, %%" kind "15, %%" kind \
  "\\i\n"                                           \
  ".endr\n"                                         \
  ".endr\n"
#define BGEM3_CLOBBERS \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm14", "xmm15"

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f")
void fma_avx512(size_t steps) {
  asm volatile("vzeroall" ::: "memory");
  for (size_t i = 0; i < steps; i++) {
    asm volatile(BGEM3_24_FMAS("zmm")::: BGEM3_CLOBBERS);
  }
}
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
void fma_avx2(size_t steps) {
  asm volatile("vzeroall" ::: "memory");
  for (size_t i = 0; i < steps; i++) {
    asm volatile(BGEM3_24_FMAS("ymm")::: BGEM3_CLOBBERS);
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
  if (isa.starts_with("avx512")) return fma_avx512(steps), chains * 32;
  if (isa == "avx2") return fma_avx2(steps), chains * 16;
#endif
  return fma_scalar(steps), chains * 2;
}

}  // namespace bgem3::bench
