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

}  // namespace bgem3
