// The kernels of an AVX-512 set (F, BW, DQ, VL and what BGEM3_SET_HAS_* name), in namespace BGEM3_SET.
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
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 warns inside its own header of these intrinsics
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif
namespace bgem3 {
namespace {
namespace BGEM3_SET {

constexpr bool kHasVnni = BGEM3_SET_HAS_VNNI, kHasBf16 = BGEM3_SET_HAS_BF16;
constexpr int kTileRows = 12;  // 24 of the 32 registers hold sums
constexpr int kTileVectors = 2;
#include "kernels/lanes_avx512.h"
//
#include "kernels/ops_inl.h"

}  // namespace BGEM3_SET
}  // namespace
}  // namespace bgem3
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
