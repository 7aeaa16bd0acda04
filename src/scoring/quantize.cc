#include "bgem3/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "kernels/float_mode.h"

namespace bgem3 {
namespace {

// A unit vector in f32 is not longer than this.
constexpr double kLongest = 1.001;

// The number of rows of `columns` values each.
size_t count_rows(size_t values, size_t columns) {
  if (columns == 0 || values % columns != 0) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "{} values are no rows of {}: expected a multiple; give the dimensions of the vectors",
                            values, columns);
  }
  return values / columns;
}

uint16_t round_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7FFFFFFFu, sign = bits >> 16 & 0x8000u;
  if (magnitude > 0x7F800000u) return static_cast<uint16_t>(sign | 0x7E00u);
  if (magnitude >= std::bit_cast<uint32_t>(65520.0f)) return static_cast<uint16_t>(sign | 0x7C00u);
  if (magnitude < std::bit_cast<uint32_t>(0x1p-14f)) {  // denormal: a whole number of 2^-24
    return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::nearbyint(std::fabs(value) * 0x1p24f)));
  }
  const uint32_t rebased = magnitude - (112u << 23);  // exponents of half precision count from another zero
  return static_cast<uint16_t>(sign | (rebased + 0xFFFu + (rebased >> 13 & 1u)) >> 13);
}

float widen_f16(uint16_t half) {
  const uint32_t magnitude = half & 0x7FFFu, sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  if (magnitude >= 0x7C00u) return std::bit_cast<float>(sign | 0x7F800000u | (magnitude & 0x3FFu) << 13);
  const float value = magnitude < 0x0400u ? static_cast<float>(magnitude) * 0x1p-24f
                                          : std::bit_cast<float>((magnitude << 13) + (112u << 23));
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
}

void check_length(std::span<const float> row, size_t index) {
  double squares = 0;
  for (const float value : row) squares += double{value} * value;
  if (std::sqrt(squares) <= kLongest) return;
  fail<InvalidInputError>(
      ErrorCode::invalid_input,
      "row {}: length {}; expected at most 1, the range of int8 is made for unit vectors: normalise "
      "first, and leave out texts that failed",
      index, std::sqrt(squares));
}

}  // namespace

std::vector<uint16_t> to_float16(std::span<const float> values) {
  const FloatMode mode;
  std::vector<uint16_t> halves(values.size());
  std::transform(values.begin(), values.end(), halves.begin(), round_to_f16);
  return halves;
}

std::vector<float> from_float16(std::span<const uint16_t> values) {
  std::vector<float> wide(values.size());
  std::transform(values.begin(), values.end(), wide.begin(), widen_f16);
  return wide;
}

float int8_range(size_t dimensions) {
  return static_cast<float>(std::min(1.0, 8 / std::sqrt(static_cast<double>(dimensions))));
}

Int8Vectors to_int8(std::span<const float> vectors, size_t dimensions) {
  const FloatMode mode;
  const size_t rows = count_rows(vectors.size(), dimensions);
  const float range = int8_range(dimensions), steps = 127 / range;
  Int8Vectors result{std::vector<int8_t>(vectors.size())};
  for (size_t row = 0; row < rows; row++) {
    const std::span<const float> from = vectors.subspan(row * dimensions, dimensions);
    check_length(from, row);
    for (size_t j = 0; j < dimensions; j++) {
      if (std::fabs(from[j]) > range) result.clipped++;
      result.values[row * dimensions + j] =
          static_cast<int8_t>(std::clamp(std::nearbyint(from[j] * steps), -127.0f, 127.0f));
    }
  }
  return result;
}

std::vector<float> from_int8(std::span<const int8_t> values, size_t dimensions) {
  count_rows(values.size(), dimensions);
  const float step = int8_range(dimensions) / 127;
  std::vector<float> vectors(values.size());
  std::transform(values.begin(), values.end(), vectors.begin(), [=](int8_t value) { return value * step; });
  return vectors;
}

std::vector<uint8_t> to_ubinary(std::span<const float> vectors, size_t dimensions) {
  const size_t rows = count_rows(vectors.size(), dimensions), bytes = (dimensions + 7) / 8;
  std::vector<uint8_t> bits(rows * bytes);
  for (size_t row = 0; row < rows; row++) {
    for (size_t j = 0; j < dimensions; j++) {
      const float value = vectors[row * dimensions + j];
      if (std::isnan(value)) {
        fail<InvalidInputError>(ErrorCode::invalid_input,
                                "row {}: component {} is not a number, which one bit cannot say: leave out texts that "
                                "failed",
                                row, j);
      }
      if (value > 0) bits[row * bytes + j / 8] |= static_cast<uint8_t>(0x80u >> j % 8);
    }
  }
  return bits;
}

std::vector<float> from_ubinary(std::span<const uint8_t> bits, size_t dimensions) {
  const size_t bytes = (dimensions + 7) / 8, rows = count_rows(bits.size(), bytes);
  const float one = static_cast<float>(1 / std::sqrt(static_cast<double>(dimensions)));
  std::vector<float> vectors(rows * dimensions);
  for (size_t row = 0; row < rows; row++) {
    for (size_t j = 0; j < dimensions; j++) {
      vectors[row * dimensions + j] = (bits[row * bytes + j / 8] & 0x80u >> j % 8) != 0 ? one : -one;
    }
  }
  return vectors;
}

std::vector<int8_t> to_binary(std::span<const float> vectors, size_t dimensions) {
  const std::vector<uint8_t> bits = to_ubinary(vectors, dimensions);
  std::vector<int8_t> bytes(bits.size());
  std::transform(bits.begin(), bits.end(), bytes.begin(), [](uint8_t byte) { return static_cast<int8_t>(byte - 128); });
  return bytes;
}

std::vector<float> from_binary(std::span<const int8_t> bytes, size_t dimensions) {
  std::vector<uint8_t> bits(bytes.size());
  std::transform(bytes.begin(), bytes.end(), bits.begin(),
                 [](int8_t byte) { return static_cast<uint8_t>(byte + 128); });
  return from_ubinary(bits, dimensions);
}

}  // namespace bgem3
