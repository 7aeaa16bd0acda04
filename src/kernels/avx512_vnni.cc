// The kernels for AVX-512 with the dot products of bytes (VNNI).
#if defined(__x86_64__)

#define BGEM3_SET avx512_vnni
#define BGEM3_SET_HAS_VNNI true
#define BGEM3_SET_HAS_BF16 false
#include "kernels/avx512_inl.h"

namespace bgem3 {
constinit const Ops kAvx512VnniOps = avx512_vnni::make_ops("avx512_vnni", false);
}  // namespace bgem3

#endif
