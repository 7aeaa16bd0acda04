// The kernels for AVX-512 with the dot products of bytes and of bf16 (VNNI, BF16).
#if defined(__x86_64__)

#define BGEM3_SET avx512_bf16
#define BGEM3_SET_HAS_VNNI true
#define BGEM3_SET_HAS_BF16 true
#include "kernels/avx512_inl.h"

namespace bgem3 {
constinit const Ops kAvx512Bf16Ops = avx512_bf16::make_ops("avx512_bf16", true);
}  // namespace bgem3

#endif
