#include "kernels/matrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "kernels/precision.h"

namespace bgem3 {
namespace {

TEST(Matrix, RowsAreZeroAlignedAndApart) {
  Matrix<float> matrix(3, 40);
  const View<float> rows = matrix.rows(2);
  EXPECT_EQ(rows.rows, 2u);
  EXPECT_EQ(rows.stride, row_stride(40));
  EXPECT_GE(rows.stride, 64u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(rows.row(1)) % 64, 0u);
  for (size_t j = 0; j < 40; j++) EXPECT_EQ(rows.row(1)[j], 0.0f);
}

TEST(Matrix, StridesAreNoMultipleOf4KiB) {
  for (size_t columns = 1; columns < 5000; columns++) EXPECT_NE(row_stride(columns) * 4 % 4096, 0u) << columns;
}

// Columns and depth that fill neither a panel nor a step.
constexpr size_t kColumns = 70, kDepth = 5;

OwnedWeights pack_in_two_parts(WeightType type, std::span<const float> w, std::span<const float> bias) {
  OwnedWeights packed(type, kColumns, kDepth);
  packed.pack(0, {w.data(), 40, kDepth, kDepth}, bias.first(40));
  packed.pack(40, {w.data() + 40 * kDepth, 30, kDepth, kDepth}, bias.subspan(40));
  return packed;
}

// Checks value(panel, place) of every column and step, also of those that do not exist.
template <typename Stored>
void expect_panels(const PackedWeights& packed, size_t step, std::span<const Stored> expected) {
  ASSERT_EQ(packed.panels(), 3u);
  const size_t steps = (kDepth + step - 1) / step;
  for (size_t column = 0; column < 96; column++) {
    const auto* panel = reinterpret_cast<const Stored*>(packed.panel(column / 32));
    for (size_t k = 0; k < steps * step; k++) {
      const Stored found = panel[k / step * step * 32 + column % 32 * step + k % step];
      EXPECT_EQ(found, column < kColumns && k < kDepth ? expected[column * kDepth + k] : Stored{})
          << "column " << column << ", depth " << k;
    }
  }
}

TEST(PackedWeights, KeepsEveryValueInItsPanel) {
  std::vector<float> w(kColumns * kDepth), bias(kColumns);
  std::vector<uint16_t> halves(w.size());
  std::vector<BFloat16> rounded(w.size());
  for (size_t i = 0; i < w.size(); i++) {
    w[i] = std::ldexp(1.0f + static_cast<float>(i) / 1024, static_cast<int>(i % 29) - 14) * (i % 2 ? -1.0f : 1.0f);
    halves[i] = static_cast<uint16_t>((i % 2) << 15 | (i % 29 + 1) << 10 | i);
    rounded[i] = BFloat16(w[i]);
  }
  for (size_t i = 0; i < bias.size(); i++) bias[i] = -static_cast<float>(i + 1);
  ASSERT_TRUE(exact_in_f16(w));
  for (const WeightType type : {WeightType::f32, WeightType::f16, WeightType::bf16, WeightType::s8}) {
    const OwnedWeights owned = pack_in_two_parts(type, w, bias);
    for (size_t i = 0; i < 96; i++) EXPECT_EQ(owned.view().bias()[i], i < kColumns ? bias[i] : 0.0f);
    if (type == WeightType::f32) expect_panels<float>(owned.view(), 1, w);
    if (type == WeightType::f16) expect_panels<uint16_t>(owned.view(), 1, halves);
    if (type == WeightType::bf16) expect_panels<BFloat16>(owned.view(), 2, rounded);
  }
}

TEST(PackedWeights, QuantisesEachColumnByItsLargestValue) {
  std::vector<float> w(kColumns * kDepth), bias(kColumns);
  std::vector<int8_t> expected(w.size());
  for (size_t column = 0; column < kColumns; column++) {
    const float scale = static_cast<float>(column + 1) / 64;
    for (size_t k = 0; k < kDepth; k++) {
      expected[column * kDepth + k] =
          static_cast<int8_t>(k == 2 ? -127 : static_cast<int>((column * 7 + k * 31) % 200) - 100);
      w[column * kDepth + k] = (expected[column * kDepth + k] + (k == 2 ? 0.0f : 0.4f)) * scale;
    }
  }
  std::fill_n(w.begin(), kDepth, 0.0f);  // a column of zeros
  std::fill_n(expected.begin(), kDepth, int8_t{0});
  const OwnedWeights owned = pack_in_two_parts(WeightType::s8, w, bias);
  expect_panels<int8_t>(owned.view(), 4, expected);
  for (size_t column = 0; column < kColumns; column++) {
    int32_t sum = 0;
    for (size_t k = 0; k < kDepth; k++) sum += expected[column * kDepth + k];
    EXPECT_EQ(owned.view().sums()[column], sum);
    EXPECT_FLOAT_EQ(owned.view().scales()[column], column == 0 ? 1 : static_cast<float>(column + 1) / 64);
  }
}

TEST(ExactInF16, IsTrueForWhatHalfPrecisionHolds) {
  for (const float value : {0.0f, -0.0f, 1.0f, -2.5f, 65504.0f, 0x1p-14f, 0x1p-24f, 0x1.8p-23f, 0.333251953125f}) {
    EXPECT_TRUE(exact_in_f16(std::span(&value, 1))) << value;
  }
  for (const float value : {65520.0f, 1e9f, 0x1p-25f, 0x1.4p-23f, 1.0f / 3, 0x1.002p-14f, INFINITY, NAN, 1e-40f}) {
    EXPECT_FALSE(exact_in_f16(std::span(&value, 1))) << value;
  }
}

TEST(PackedWeights, RefusesAWrongShape) {
  OwnedWeights packed(WeightType::f32, 4, 3);
  const float values[16] = {};
  EXPECT_THROW(packed.pack(0, {values, 4, 4, 4}, std::span(values).first(4)), EmbeddingGenerationError);
  EXPECT_THROW(packed.pack(1, {values, 4, 3, 3}, std::span(values).first(4)), EmbeddingGenerationError);
}

TEST(BFloat16, RoundsToNearestEvenAndFlushesDenormals) {
  const auto bits = [](float value) { return BFloat16(value).bits; };
  EXPECT_EQ(bits(1.0f), 0x3F80);
  EXPECT_EQ(bits(0x1.01p0f), 0x3F80);    // half way, to even
  EXPECT_EQ(bits(0x1.03p0f), 0x3F82);    // half way, to even
  EXPECT_EQ(bits(0x1.0102p0f), 0x3F81);  // a little more than half
  EXPECT_EQ(bits(-3.4e38f), 0xFF80);     // rounds to infinity
  EXPECT_EQ(bits(1e-39f), 0);
  EXPECT_EQ(bits(-1e-39f), 0x8000);
  EXPECT_EQ(bits(INFINITY), 0x7F80);
  EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(NAN))));
}

TEST(Precision, ParsesEveryName) {
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
    EXPECT_EQ(parse_precision(to_string(precision)), precision);
  }
  EXPECT_EQ(parse_precision("float32"), Precision::f32);
  EXPECT_EQ(parse_precision("bfloat16"), Precision::bf16);
  EXPECT_THROW(parse_precision("f16"), InvalidInputError);
}

}  // namespace
}  // namespace bgem3
