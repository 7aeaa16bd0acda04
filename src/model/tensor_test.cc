#include "model/tensor.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "model/test_files.h"

namespace bgem3 {
namespace {

Tensor tensor_of(DType dtype, std::string_view bytes) {
  return {.name = "t",
          .dtype = dtype,
          .shape = {bytes.size() * 8 / bits_of(dtype)},
          .bytes = as_bytes(bytes),
          .file = "file"};
}

// The value of an fp16 pattern by its definition.
double half_value(uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const double mantissa = bits & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

TEST(ConvertToF32, EveryHalf) {
  std::string bytes;
  for (uint32_t i = 0; i < 65536; ++i) bytes += little(static_cast<uint16_t>(i));
  std::vector<float> out(65536);
  convert_to_f32(tensor_of(DType::f16, bytes), 0, out);
  for (uint32_t i = 0; i < 65536; ++i) {
    if ((i & 0x7C00) != 0x7C00) {
      ASSERT_EQ(out[i], half_value(i)) << i;
      ASSERT_EQ(std::signbit(out[i]), (i & 0x8000) != 0) << i;
    } else if ((i & 0x3FF) == 0) {
      ASSERT_TRUE(std::isinf(out[i])) << i;
    } else {
      ASSERT_TRUE(std::isnan(out[i])) << i;
    }
  }
}

TEST(ConvertToF32, EveryBfloat16) {
  std::string bytes;
  for (uint32_t i = 0; i < 65536; ++i) bytes += little(static_cast<uint16_t>(i));
  std::vector<float> out(65536);
  convert_to_f32(tensor_of(DType::bf16, bytes), 0, out);
  for (uint32_t i = 0; i < 65536; ++i) ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), i << 16);
}

TEST(ConvertToF32, RangesAndUnalignedBytes) {
  std::vector<float> values(3000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) * 0.25f;
  const std::string bytes = "x" + floats(values);
  const Tensor tensor = tensor_of(DType::f32, std::string_view(bytes).substr(1));
  std::vector<float> out(2048);
  convert_to_f32(tensor, 952, out);
  EXPECT_EQ(out, std::vector<float>(values.begin() + 952, values.end()));
  convert_to_f32(tensor, 3000, {});
}

TEST(ConvertToF32, RefusesRangesOutsideAndOtherTypes) {
  const std::string bytes = floats({1, 2, 3});
  std::vector<float> out(2);
  EXPECT_TRUE(caught([&] { convert_to_f32(tensor_of(DType::f32, bytes), 2, out); }).thrown);
  EXPECT_TRUE(caught([&] { convert_to_f32(tensor_of(DType::f32, bytes), SIZE_MAX, out); }).thrown);
  EXPECT_TRUE(caught([&] { convert_to_f32(tensor_of(DType::i32, bytes), 0, out); }).thrown);
}

TEST(FindNonFinite, FindsTheFirstInEveryPlace) {
  for (const size_t place : {size_t{0}, size_t{1}, size_t{1023}, size_t{1024}, size_t{2499}}) {
    std::vector<float> values(2500, std::numeric_limits<float>::max());
    values[place] = place % 2 ? std::numeric_limits<float>::quiet_NaN() : -std::numeric_limits<float>::infinity();
    values[2499] = std::numeric_limits<float>::infinity();
    const std::string bytes = floats(values);
    EXPECT_EQ(find_non_finite(tensor_of(DType::f32, bytes)), place);
  }
}

TEST(FindNonFinite, EveryType) {
  const std::string half = little(uint16_t{0x7BFF}) + little(uint16_t{0xFC00});
  EXPECT_EQ(find_non_finite(tensor_of(DType::f16, half)), 1u);
  EXPECT_EQ(find_non_finite(tensor_of(DType::bf16, half)), std::nullopt);
  const std::string brain = little(uint16_t{0x7F80});
  EXPECT_EQ(find_non_finite(tensor_of(DType::bf16, brain)), 0u);
  EXPECT_EQ(find_non_finite(tensor_of(DType::f32, "")), std::nullopt);
}

TEST(RefuseNonFinite, NamesFileTensorElementAndValue) {
  const std::string bytes = floats({1, 2, std::numeric_limits<float>::infinity()});
  const Caught error = caught([&] { refuse_non_finite(tensor_of(DType::f32, bytes)); });
  EXPECT_EQ(error.code, ErrorCode::corrupt);
  EXPECT_TRUE(error.says("file: tensor \"t\", element 2 of 3")) << error.message;
  EXPECT_TRUE(error.says("found inf")) << error.message;
  const std::string good = floats({0, -0.0f, 1e-45f});
  EXPECT_FALSE(caught([&] { refuse_non_finite(tensor_of(DType::f32, good)); }).thrown);
}

}  // namespace
}  // namespace bgem3
