// Arithmetic on sizes that came from outside: nothing wraps around.
#pragma once

#include <cstddef>
#include <optional>

namespace bgem3 {

// a + b and a * b, or nothing if the result does not fit.
inline std::optional<size_t> checked_add(size_t a, size_t b) {
  size_t result;
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

inline std::optional<size_t> checked_multiply(size_t a, size_t b) {
  size_t result;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

}  // namespace bgem3
