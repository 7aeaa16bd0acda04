// The kernels that round rows to bf16 and quantise them to 8 bits, on every instruction set of this machine: against
// BFloat16 and the definition, and always bit for bit against the scalar kernels.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/ops.h"
#include "kernels/test_values.h"

namespace bgem3 {
namespace {

class RoundedRowsTest : public testing::TestWithParam<std::string> {
 protected:
  const Ops& ops() const { return ops_for(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Isa, RoundedRowsTest, testing::ValuesIn(present_isas()),
                         [](const auto& test) { return test.param; });

// Numbers that rounding to bf16 treats in different ways, then random bits.
std::vector<float> values_to_round() {
  std::vector<float> values;
  for (const uint32_t bits :
       {0x00000000u, 0x00000001u, 0x007FFFFFu, 0x00800000u, 0x00808000u, 0x3F808000u, 0x3F818000u, 0x3F808001u,
        0x3F807FFFu, 0x7F7F7FFFu, 0x7F7F8000u, 0x7F7FFFFFu, 0x7F800000u, 0x7F800001u, 0x7FC00000u, 0x7FFFFFFFu}) {
    values.push_back(std::bit_cast<float>(bits));
    values.push_back(std::bit_cast<float>(bits | 0x80000000u));
  }
  std::mt19937 generator(1);
  while (values.size() < 5000) values.push_back(std::bit_cast<float>(static_cast<uint32_t>(generator())));
  return values;
}

TEST_P(RoundedRowsTest, RoundRowsIsTheConversion) {
  const std::vector<float> values = values_to_round();
  for (const size_t columns : {1, 2, 7, 15, 16, 17, 31, 32, 33, 100}) {
    const size_t rows = values.size() / columns;
    Matrix<BFloat16> y(rows, columns);
    const View<BFloat16> found = y.rows(rows);
    std::fill_n(found.data, rows * found.stride, BFloat16(77));
    ops().round_rows({values.data(), rows, columns, columns}, found);
    for (size_t i = 0; i < rows; i++) {
      for (size_t j = 0; j < columns; j++) {
        ASSERT_EQ(found.row(i)[j].bits, BFloat16(values[i * columns + j]).bits) << values[i * columns + j];
      }
      for (size_t j = columns; j < found.stride; j++) ASSERT_EQ(found.row(i)[j], BFloat16(77));
    }
  }
}

struct Quantized {
  Matrix<uint8_t> values;
  std::vector<float> scales;
  std::vector<int32_t> zeros;

  Quantized(size_t rows, size_t columns) : values(rows, columns), scales(rows), zeros(rows) {
    std::fill_n(values.rows(rows).data, rows * values.rows(rows).stride, uint8_t{77});
  }
  QuantizedRows rows() { return {values.rows(scales.size()), scales.data(), zeros.data()}; }
};

template <typename T>
void quantize(const Ops& ops, View<const T> x, const QuantizedRows& y) {
  if constexpr (std::is_same_v<T, float>) {
    ops.quantize_f32(x, y);
  } else {
    ops.quantize_bf16(x, y);
  }
}

// Rows: of either sign, of both, constant, zero, tiny, huge.
template <typename T>
Matrix<T> rows_to_quantize(size_t columns) {
  constexpr size_t kRows = 12;
  Matrix<T> matrix(kRows, columns);
  const std::vector<float> values = random_values(kRows * columns, 11, 3);
  for (size_t i = 0; i < kRows; i++) {
    for (size_t j = 0; j < columns; j++) {
      const float value = values[i * columns + j];
      const float row[kRows] = {value,
                                std::fabs(value),
                                -std::fabs(value),
                                j == 0 ? 50.0f : value,  // one far out
                                2.5f,
                                -2.5f,
                                0,
                                -0.0f,
                                value * 1e-40f,
                                value * 1e-36f,
                                value * 1e36f,
                                value + 100};
      matrix.rows(kRows).row(i)[j] = static_cast<T>(row[i]);
    }
  }
  return matrix;
}

template <typename T>
void expect_quantized(const Ops& ops) {
  for (const size_t columns : {1, 2, 15, 16, 17, 31, 33, 384, 1024, 1031}) {
    constexpr size_t kRows = 12;
    Matrix<T> x = rows_to_quantize<T>(columns);
    Quantized found(kRows, columns), scalar(kRows, columns);
    quantize<T>(ops, x.rows(kRows), found.rows());
    quantize<T>(kScalarOps, x.rows(kRows), scalar.rows());
    EXPECT_TRUE(same_bits(found.values.rows(kRows), scalar.values.rows(kRows))) << columns << " columns";
    EXPECT_EQ(std::memcmp(found.scales.data(), scalar.scales.data(), kRows * sizeof(float)), 0);
    EXPECT_EQ(found.zeros, scalar.zeros);
    for (size_t i = 0; i < kRows; i++) {
      const uint8_t* row = found.values.rows(kRows).row(i);
      const double scale = found.scales[i];
      double low = 0, high = 0;
      for (size_t j = 0; j < columns; j++) {
        const double value = static_cast<float>(x.rows(kRows).row(i)[j]);
        low = std::min(low, value);
        high = std::max(high, value);
        // Half a step, and the rounding of the up to 255 steps themselves in f32.
        ASSERT_NEAR(scale * (row[j] - found.zeros[i]), value, scale * (0.5 + 255 * 0x1p-22)) << i << ", " << j;
        if (value == 0) {
          ASSERT_EQ(row[j], found.zeros[i]);
        }
      }
      ASSERT_GE(found.zeros[i], 0);
      ASSERT_LE(found.zeros[i], 255);
      if (high - low < 255 * 0x1p-126) {
        EXPECT_EQ(scale, 1) << i;  // all of it rounds to zero
      } else {
        EXPECT_NEAR(scale, (high - low) / 255, scale * 1e-6) << i;  // 0 is in the range
      }
      if (high == 0 && low < -1) {
        EXPECT_EQ(found.zeros[i], 255);
      }
      if (low == 0) {
        EXPECT_EQ(found.zeros[i], 0);
      }
      for (size_t j = round_up(columns, 16); j < found.values.rows(kRows).stride; j++) ASSERT_EQ(row[j], 77);
    }
  }
}

template <typename T>
void expect_not_finite_shows(const Ops& ops) {
  for (const size_t columns : {1, 15, 16, 17, 100}) {
    for (const float value : {NAN, INFINITY, -INFINITY}) {
      for (const size_t place : {size_t{0}, columns / 2, columns - 1}) {
        Matrix<T> x(2, columns);
        for (size_t j = 0; j < columns; j++) x.rows(2).row(0)[j] = x.rows(2).row(1)[j] = static_cast<T>(1.0f);
        x.rows(2).row(0)[place] = static_cast<T>(value);
        Quantized found(2, columns);
        quantize<T>(ops, x.rows(2), found.rows());
        EXPECT_FALSE(std::isfinite(found.scales[0])) << value << " at " << place;
        EXPECT_TRUE(std::isfinite(found.scales[1]));
        EXPECT_GE(found.zeros[0], 0);
        EXPECT_LE(found.zeros[0], 255);
      }
    }
  }
}

TEST_P(RoundedRowsTest, QuantizeIsWithinHalfAStep) {
  expect_quantized<float>(ops());
  expect_quantized<BFloat16>(ops());
}

TEST_P(RoundedRowsTest, QuantizeShowsWhatIsNotFinite) {
  expect_not_finite_shows<float>(ops());
  expect_not_finite_shows<BFloat16>(ops());
}

}  // namespace
}  // namespace bgem3
