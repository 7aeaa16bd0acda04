// In which numbers an encoder computes, and the 16-bit float of the middle way.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

namespace bgem3 {

// Embeddings, the sums that go from layer to layer, norms and softmax are f32 in all of them.
enum class Precision {
  f32,   // weights and activations in f32: the reference
  bf16,  // matrix products and attention of bf16 numbers, summed in f32
  int8,  // linear layers of 8-bit weights (a scale for each output) and 8-bit activations (scale and zero point for
         // each token), summed exactly; attention as in bf16
};

// "f32", "bf16", "int8"; never null.
const char* to_string(Precision precision);
// The inverse, also of "float32" and "bfloat16"; throws InvalidInputError that lists the valid names.
Precision parse_precision(const std::string& name);

// The upper half of an f32: 8 bits of exponent, 7 of mantissa.
struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  // Rounds to nearest, ties to even; denormal numbers become zero and what is not a number stays so, as the instruction
  // vcvtneps2bf16 does it.
  explicit BFloat16(float value) {
    const uint32_t from = std::bit_cast<uint32_t>(value), magnitude = from & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) {
      bits = static_cast<uint16_t>(from >> 16 | 0x40);
    } else if (magnitude < 0x00800000u) {
      bits = static_cast<uint16_t>(from >> 16 & 0x8000u);
    } else {
      bits = static_cast<uint16_t>((from + 0x7FFFu + (from >> 16 & 1u)) >> 16);
    }
  }
  explicit operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
  bool operator==(const BFloat16&) const = default;
};

}  // namespace bgem3
