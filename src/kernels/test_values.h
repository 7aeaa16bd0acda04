// What the tests of the kernels share: random values, a comparison of bits, scratch memory.
#pragma once

#include <algorithm>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/matrix.h"
#include "kernels/ops.h"

namespace bgem3 {

// Normally distributed, mean 0 and standard deviation `width`; the same values for the same seed.
inline std::vector<float> random_values(size_t count, unsigned seed, float width = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, width);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

inline Matrix<float> random_matrix(size_t rows, size_t columns, unsigned seed, float width = 1) {
  Matrix<float> matrix(rows, columns);
  const std::vector<float> values = random_values(rows * columns, seed, width);
  for (size_t i = 0; i < rows; i++) std::copy_n(values.data() + i * columns, columns, matrix.rows(rows).row(i));
  return matrix;
}

// `denormals`: every eighth value is one of the largest denormal numbers, of either sign.
inline Matrix<BFloat16> random_bf16(size_t rows, size_t columns, unsigned seed, float width = 1,
                                    bool denormals = false) {
  Matrix<BFloat16> matrix(rows, columns);
  const std::vector<float> values = random_values(rows * columns, seed, width);
  for (size_t i = 0; i < values.size(); i++) {
    BFloat16& value = matrix.rows(rows).row(i / columns)[i % columns];
    value = BFloat16(values[i]);
    if (denormals && i % 8 == 5) value.bits = static_cast<uint16_t>((value.bits & 0x8000) | 0x7F);
  }
  return matrix;
}

// True if the values of two views of one shape are the same byte for byte; padding is not looked at.
template <typename T, typename U>
bool same_bits(View<T> a, View<U> b) {
  static_assert(sizeof(T) == sizeof(U));
  for (size_t i = 0; i < a.rows; i++) {
    if (std::memcmp(a.row(i), b.row(i), a.columns * sizeof(T)) != 0) return false;
  }
  return true;
}

// For one call of multiply at a time.
inline std::span<float> scratch() {
  static AlignedBuffer<float> buffer(kProductScratch);
  return {buffer.data(), buffer.size()};
}

}  // namespace bgem3
