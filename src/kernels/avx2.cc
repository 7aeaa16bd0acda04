// The kernels for AVX2 with FMA and F16C.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/float_mode.h"
#include "kernels/ops.h"

// A region, not flags for the whole file: inline functions of the standard library stay what they are everywhere else.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
namespace bgem3 {
namespace {
namespace avx2 {

constexpr int kTileRows = 6;  // 12 of the 16 registers hold sums
constexpr int kTileVectors = 1;
#include "kernels/lanes_avx2.h"
//
#include "kernels/ops_inl.h"

}  // namespace avx2
}  // namespace
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

constinit const Ops kAvx2Ops = avx2::make_ops("avx2", false);

}  // namespace bgem3

#endif
