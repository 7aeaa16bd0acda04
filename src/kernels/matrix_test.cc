#include "kernels/matrix.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace bgem3 {
namespace {

TEST(Matrix, RowsAreZeroAlignedAndApart) {
  Matrix matrix(3, 40);
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

TEST(PackedWeights, KeepsEveryValueInItsPanel) {
  constexpr size_t kColumns = 70, kDepth = 5;
  std::vector<float> w(kColumns * kDepth), bias(kColumns);
  for (size_t i = 0; i < w.size(); i++) w[i] = static_cast<float>(i + 1);
  for (size_t i = 0; i < bias.size(); i++) bias[i] = -static_cast<float>(i + 1);
  PackedWeights packed(kColumns, kDepth);
  packed.pack(0, {w.data(), 40, kDepth, kDepth}, std::span(bias).first(40));  // in two parts, as query and key are
  packed.pack(40, {w.data() + 40 * kDepth, 30, kDepth, kDepth}, std::span(bias).subspan(40));
  ASSERT_EQ(packed.panels(), 3u);
  for (size_t column = 0; column < 96; column++) {
    EXPECT_EQ(packed.bias()[column], column < kColumns ? bias[column] : 0.0f);
    for (size_t k = 0; k < kDepth; k++) {
      EXPECT_EQ(packed.panel(column / 32)[k * 32 + column % 32], column < kColumns ? w[column * kDepth + k] : 0.0f);
    }
  }
}

TEST(PackedWeights, RefusesAWrongShape) {
  PackedWeights packed(4, 3);
  const float values[16] = {};
  EXPECT_THROW(packed.pack(0, {values, 4, 4, 4}, std::span(values).first(4)), EmbeddingGenerationError);
  EXPECT_THROW(packed.pack(1, {values, 4, 3, 3}, std::span(values).first(4)), EmbeddingGenerationError);
}

}  // namespace
}  // namespace bgem3
