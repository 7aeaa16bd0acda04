// Vectors in fewer bits, row by row: half precision, 8 bits, 1 bit. Start at to_int8; docs/scoring.md has what each
// costs. Nothing is calibrated: a vector's result depends on that vector alone.
// All functions are thread-safe, linear in the values, and return memory of the caller's. Rows are contiguous; those of
// multi-vectors are token vectors. InvalidInputError where values are no multiple of the dimensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bgem3/error.h"

#pragma GCC visibility push(default)
namespace bgem3 {

// ---- float16: half the bytes ----

// Half precision (IEEE 754 binary16), rounded to nearest, ties to even: relative error at most 2^-11, absolute at most
// 2^-25 below 2^-14. From 65520 on infinite; what is not a number stays so.
std::vector<uint16_t> to_float16(std::span<const float> values);
// Exact.
std::vector<float> from_float16(std::span<const uint16_t> values);

// ---- int8: a quarter, for vectors no longer than one ----

// The fixed range: components from -int8_range to int8_range are -127 to 127, linearly. min(1, 8 / sqrt(dimensions)):
// 0.25 for 1024 dimensions, eight times the root mean square of a unit vector's components.
float int8_range(size_t dimensions);

struct Int8Vectors {
  std::vector<int8_t> values;  // [rows, dimensions], -127 to 127
  size_t clipped = 0;          // components outside the range, which became its end
};

// Each component rounded to the nearest of 255 steps; -128 does not occur. Where none is clipped a component is off by
// at most int8_range / 254, and the dot product with a unit vector by at most 8 / 254 = 0.0315. Throws
// InvalidInputError for a row that is longer than one (by more than 0.001) or not finite.
Int8Vectors to_int8(std::span<const float> vectors, size_t dimensions);
// value * int8_range / 127: [rows, dimensions].
std::vector<float> from_int8(std::span<const int8_t> values, size_t dimensions);

// ---- ubinary, binary: a thirty-second ----

// One bit for each component, 1 if it is above 0, the first component in the highest bit of the first byte:
// [rows, dimensions / 8 rounded up], bits past the end 0. The same as numpy.packbits(vectors > 0, axis=1). Throws
// InvalidInputError for a value that is not a number.
std::vector<uint8_t> to_ubinary(std::span<const float> vectors, size_t dimensions);
// Components of 1 / sqrt(dimensions), negative where the bit is 0: unit vectors [rows, dimensions]. The cosine with the
// vector that was packed is its sum of magnitudes / sqrt(dimensions).
std::vector<float> from_ubinary(std::span<const uint8_t> bits, size_t dimensions);

// The same bytes minus 128, as sentence-transformers' "binary".
std::vector<int8_t> to_binary(std::span<const float> vectors, size_t dimensions);
std::vector<float> from_binary(std::span<const int8_t> bytes, size_t dimensions);

}  // namespace bgem3
#pragma GCC visibility pop
