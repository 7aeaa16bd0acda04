#include "model/tensor.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "model/messages.h"

namespace bgem3 {
namespace {

struct DTypeFacts {
  const char* name;
  size_t bits;
};

// In the order of DType.
constexpr DTypeFacts kDTypes[] = {{"F32", 32}, {"F16", 16}, {"BF16", 16}, {"F64", 64}, {"I64", 64}, {"I32", 32},
                                  {"I16", 16}, {"I8", 8},   {"U64", 64},  {"U32", 32}, {"U16", 16}, {"U8", 8},
                                  {"BOOL", 8}, {"C64", 64}, {"F8", 8},    {"F6", 6},   {"F4", 4}};

float widen_f32(uint32_t bits) { return std::bit_cast<float>(bits); }

float widen_bf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// Without branches, so that the loop over it becomes vector code, and without denormal floats, so that no mode of the
// processor can flush them.
float widen_f16(uint16_t bits) {
  const uint32_t magnitude = bits & 0x7FFFu;
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t normal = (magnitude << 13) + (112u << 23);
  const uint32_t special = (magnitude << 13) | 0x7F800000u;  // infinity and not-a-number
  const uint32_t denormal = std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
  const uint32_t finite = magnitude < 0x0400u ? denormal : normal;
  return std::bit_cast<float>(sign | (magnitude >= 0x7C00u ? special : finite));
}

// Elements are copied in blocks to aligned memory first: a file's tensors may start at any byte.
constexpr size_t kBlock = 1024;

template <typename Bits, float (*widen_one)(Bits)>
void widen(const std::byte* from, std::span<float> out) {
  std::array<Bits, kBlock> block;
  for (size_t done = 0; done < out.size(); done += kBlock) {
    const size_t count = std::min(kBlock, out.size() - done);
    std::memcpy(block.data(), from + done * sizeof(Bits), count * sizeof(Bits));
    for (size_t i = 0; i < count; ++i) out[done + i] = widen_one(block[i]);
  }
}

// A float is infinite or not a number when its exponent bits are all ones.
template <typename Bits>
std::optional<size_t> find_exponent(std::span<const std::byte> bytes, Bits exponent) {
  std::array<Bits, kBlock> block;
  const size_t elements = bytes.size() / sizeof(Bits);
  for (size_t done = 0; done < elements; done += kBlock) {
    const size_t count = std::min(kBlock, elements - done);
    std::memcpy(block.data(), bytes.data() + done * sizeof(Bits), count * sizeof(Bits));
    Bits found = 0;
    for (size_t i = 0; i < count; ++i) found = static_cast<Bits>(found | ((block[i] & exponent) == exponent));
    if (!found) continue;
    for (size_t i = 0; i < count; ++i) {
      if ((block[i] & exponent) == exponent) return done + i;
    }
  }
  return std::nullopt;
}

[[noreturn]] void refuse_type(const Tensor& tensor) {
  fail<EmbeddingGenerationError>(ErrorCode::internal, "{}: tensor {} is {}, expected F32, F16 or BF16", tensor.file,
                                 quote(tensor.name), to_string(tensor.dtype));
}

}  // namespace

const char* to_string(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }
size_t bits_of(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].bits; }

std::string shape_text(const std::vector<size_t>& shape) {
  std::string text;
  for (const size_t size : shape) text += fmt::format("{}{}", text.empty() ? "" : ", ", size);
  return "[" + text + "]";
}

void convert_to_f32(const Tensor& tensor, size_t first, std::span<float> out) {
  BGEM3_CHECK(first <= tensor.elements() && out.size() <= tensor.elements() - first);
  if (out.empty()) return;
  const std::byte* from = tensor.bytes.data() + first * bits_of(tensor.dtype) / 8;
  switch (tensor.dtype) {
    case DType::f32:
      return widen<uint32_t, widen_f32>(from, out);
    case DType::bf16:
      return widen<uint16_t, widen_bf16>(from, out);
    case DType::f16:
      return widen<uint16_t, widen_f16>(from, out);
    default:
      refuse_type(tensor);
  }
}

std::optional<size_t> find_non_finite(const Tensor& tensor) {
  switch (tensor.dtype) {
    case DType::f32:
      return find_exponent<uint32_t>(tensor.bytes, 0x7F800000u);
    case DType::bf16:
      return find_exponent<uint16_t>(tensor.bytes, 0x7F80u);
    case DType::f16:
      return find_exponent<uint16_t>(tensor.bytes, 0x7C00u);
    default:
      refuse_type(tensor);
  }
}

void refuse_non_finite(const Tensor& tensor) {
  const auto found = find_non_finite(tensor);
  if (!found) return;
  float value;
  convert_to_f32(tensor, *found, {&value, 1});
  fail<ModelLoadingError>(
      ErrorCode::corrupt,
      "{}: tensor {}, element {} of {}: expected a finite number, found {}; the file is damaged or its "
      "training diverged: get it again from its source",
      tensor.file, quote(tensor.name), *found, tensor.elements(), value);
}

}  // namespace bgem3
