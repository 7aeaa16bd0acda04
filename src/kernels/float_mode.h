// The floating-point environment that the kernels are defined in.
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace bgem3 {

// While it lives, this thread rounds to nearest and keeps denormals, whatever its program has set; then all is as
// before.
class FloatMode {
 public:
#if defined(__x86_64__)
  FloatMode() : before_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~FloatMode() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#else
  FloatMode() = default;
#endif

 public:
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;
};

// While it lives, denormal numbers are zero, read and written: the mode of the instruction vdpbf16ps, for all
// that is computed with it or to its bits.
class FlushDenormals {
 public:
#if defined(__x86_64__)
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  ~FlushDenormals() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#else
  FlushDenormals() = default;
#endif

 public:
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
};

}  // namespace bgem3
