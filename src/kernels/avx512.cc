// The kernels for AVX-512 (F, BW, DQ, VL).
#if defined(__x86_64__)

#define BGEM3_SET avx512
#define BGEM3_SET_HAS_VNNI false
#define BGEM3_SET_HAS_BF16 false
#include "kernels/avx512_inl.h"

namespace bgem3 {
constinit const Ops kAvx512Ops = avx512::make_ops("avx512", false);
}  // namespace bgem3

#endif
