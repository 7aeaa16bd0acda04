#include "peak.h"

#include <cstdint>

namespace bgem3::bench {
namespace {

#if defined(__x86_64__)
// The registers are named so that no compiler moves a sum to memory. 12 chains hide a latency of 6 cycles, also where
// two instructions start in a cycle. `vzeroupper` at the end: SSE code after a dirty upper half is slow.
#define BGEM3_CLOBBERS                                                                                                \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", \
      "xmm14", "xmm15"
#define BGEM3_PEAK_LOOP(name, body)                                          \
  void name(size_t steps) {                                                  \
    asm volatile("vzeroall" ::: BGEM3_CLOBBERS);                             \
    for (size_t i = 0; i < steps; i++) asm volatile(body::: BGEM3_CLOBBERS); \
    asm volatile("vzeroupper" ::: BGEM3_CLOBBERS);                           \
  }
// 24 instructions that multiply and add.
#define BGEM3_MULTIPLY_ADDS(instruction, kind)                                             \
  ".rept 2\n"                                                                              \
  ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11\n" instruction " %%" kind "14, %%" kind "15, %%" kind \
  "\\i\n"                                                                                  \
  ".endr\n"                                                                                \
  ".endr\n"
// 24 pairs of a multiplication (of 16-bit values, sums of two) and an addition: int8 without an instruction of its own.
#define BGEM3_PAIRS(kind)                        \
  ".rept 4\n"                                    \
  ".irp i, 0,1,2,3,4,5\n"                        \
  "vpmaddwd %%" kind "14, %%" kind "15, %%" kind \
  "13\n"                                         \
  "vpaddd %%" kind "13, %%" kind "\\i, %%" kind  \
  "\\i\n"                                        \
  ".endr\n"                                      \
  ".endr\n"

BGEM3_PEAK_LOOP(f32_avx2, BGEM3_MULTIPLY_ADDS("vfmadd231ps", "ymm"))
BGEM3_PEAK_LOOP(int8_avx2, BGEM3_PAIRS("ymm"))
BGEM3_PEAK_LOOP(f32_avx512, BGEM3_MULTIPLY_ADDS("vfmadd231ps", "zmm"))
BGEM3_PEAK_LOOP(int8_avx512, BGEM3_PAIRS("zmm"))
BGEM3_PEAK_LOOP(int8_avx512_vnni, BGEM3_MULTIPLY_ADDS("vpdpbusd", "zmm"))
BGEM3_PEAK_LOOP(bf16_avx512_bf16, BGEM3_MULTIPLY_ADDS("vdpbf16ps", "zmm"))
#endif

void f32_scalar(size_t steps) {
  float sums[12] = {};
  for (size_t i = 0; i < steps; i++) {
    for (float& sum : sums) {
      sum = sum * 0.5f + 1;
      asm volatile("" : "+x"(sum));
    }
  }
}

void int8_scalar(size_t steps) {
  int32_t sums[8] = {};
  for (size_t i = 0; i < steps; i++) {
    for (int32_t& sum : sums) {
      sum = sum * 3 + 1;
      asm volatile("" : "+r"(sum));
    }
  }
}

constexpr PeakLoop kLoops[] = {
    {"scalar", "f32", 12 * 2, f32_scalar},
    {"scalar", "int8", 8 * 2, int8_scalar},
#if defined(__x86_64__)
    {"avx2", "f32", 24 * 16, f32_avx2},
    {"avx2", "int8", 24 * 32, int8_avx2},
    {"avx512", "f32", 24 * 32, f32_avx512},
    {"avx512", "int8", 24 * 64, int8_avx512},
    {"avx512_vnni", "int8", 24 * 128, int8_avx512_vnni},
    {"avx512_bf16", "bf16", 24 * 64, bf16_avx512_bf16},
#endif
};

}  // namespace

std::span<const PeakLoop> peak_loops() { return kLoops; }

void read_memory(const std::byte* data, size_t bytes) {
  using Vector = uint64_t __attribute__((vector_size(16)));
  const Vector* values = reinterpret_cast<const Vector*>(data);
  Vector sums[8] = {};
  for (size_t i = 0; i < bytes / sizeof(Vector); i += 8)
    for (size_t j = 0; j < 8; j++) sums[j] ^= values[i + j];
  for (Vector& sum : sums) asm volatile("" : "+x"(sum));
}

}  // namespace bgem3::bench
