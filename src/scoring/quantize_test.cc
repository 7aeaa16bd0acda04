#include "bgem3/quantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "bgem3/scoring.h"
#include "kernels/ops.h"
#include "kernels/test_values.h"
#include "scoring/test_errors.h"

namespace bgem3 {
namespace {

constexpr size_t kRows = 40;

std::vector<float> random_unit_rows(size_t dimensions, unsigned seed) {
  std::vector<float> rows = random_values(kRows * dimensions, seed);
  for (size_t i = 0; i < kRows; i++) kScalarOps.normalize_row(rows.data() + i * dimensions, dimensions);
  return rows;
}

double dot(const float* a, const float* b, size_t dimensions) {
  double sum = 0;
  for (size_t k = 0; k < dimensions; k++) sum += double{a[k]} * b[k];
  return sum;
}

double cosine(const float* a, const float* b, size_t dimensions) {
  return dot(a, b, dimensions) / std::sqrt(dot(a, a, dimensions) * dot(b, b, dimensions));
}

TEST(Float16, EveryValueComesBack) {
  for (uint32_t half = 0; half < 0x10000; half++) {
    const std::vector<float> wide = from_float16(std::vector{static_cast<uint16_t>(half)});
    const int exponent = static_cast<int>(half >> 10 & 31), mantissa = static_cast<int>(half & 1023);
    const double sign = half < 0x8000 ? 1 : -1;
    if (exponent == 31 && mantissa != 0) {
      EXPECT_TRUE(std::isnan(wide[0]));
      EXPECT_TRUE(std::isnan(from_float16(to_float16(wide))[0]));
      continue;
    }
    const double expected = exponent == 31  ? std::numeric_limits<double>::infinity()
                            : exponent == 0 ? std::ldexp(mantissa, -24)
                                            : std::ldexp(1024 + mantissa, exponent - 25);
    ASSERT_EQ(wide[0], sign * expected) << half;
    ASSERT_EQ(to_float16(wide)[0], half);
  }
}

TEST(Float16, RoundsToTheNearestAndTiesToEven) {
  for (uint32_t half = 0; half < 0x7BFF; half++) {  // between each two neighbours
    const std::vector<uint16_t> both = {static_cast<uint16_t>(half), static_cast<uint16_t>(half + 1)};
    const std::vector<float> ends = from_float16(both);
    const float middle = (ends[0] + ends[1]) / 2;  // exact
    const std::vector<float> values = {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, 1e6f), -middle};
    const auto even = static_cast<uint16_t>(half % 2 == 0 ? half : half + 1);
    const std::vector<uint16_t> expected = {both[0], even, both[1], static_cast<uint16_t>(even | 0x8000)};
    ASSERT_EQ(to_float16(values), expected) << half;
  }
  EXPECT_EQ(to_float16(std::vector{65519.996f, 65520.0f, -1e30f, 1e-30f, -0.0f}),
            (std::vector<uint16_t>{0x7BFF, 0x7C00, 0xFC00, 0, 0x8000}));
}

TEST(Int8, LosesNoMoreThanItSays) {
  for (const size_t dimensions : {64, 384, 1000, 1024}) {
    const std::vector<float> vectors = random_unit_rows(dimensions, 1), others = random_unit_rows(dimensions, 2);
    const Int8Vectors packed = to_int8(vectors, dimensions);
    const std::vector<float> back = from_int8(packed.values, dimensions);
    EXPECT_EQ(packed.clipped, 0u);
    // Half a step, and the roundings of the product before it and of the one on the way back.
    const double step = int8_range(dimensions) / 127.0, most = step / 2 + int8_range(dimensions) * 0x1p-22;
    for (size_t i = 0; i < vectors.size(); i++) ASSERT_NEAR(back[i], vectors[i], most) << dimensions;
    for (size_t i = 0; i < kRows; i++) {
      const float *from = vectors.data() + i * dimensions, *to = back.data() + i * dimensions;
      // Errors of at most half a step each are a vector of length step / 2 * sqrt(dimensions) = 8 / 254.
      EXPECT_NEAR(dot(to, others.data(), dimensions), dot(from, others.data(), dimensions), 8.0 / 254 + 1e-6);
      // Uniform errors have a third of the largest square: 8 / 254 / sqrt(3) is the sine of the angle.
      EXPECT_GT(cosine(from, to, dimensions), 0.9998);
    }
  }
}

TEST(Int8, RangeIsFixed) {
  EXPECT_EQ(int8_range(1024), 0.25f);
  EXPECT_EQ(int8_range(256), 0.5f);
  EXPECT_EQ(int8_range(64), 1.0f);
  EXPECT_EQ(int8_range(3), 1.0f);
  std::vector<float> vector(1024);
  vector[0] = 0.25f;
  vector[1] = -0.25f;
  vector[2] = 0.125f;
  vector[3] = -0.75f;  // outside
  vector[4] = 0.2501f;
  const Int8Vectors packed = to_int8(vector, 1024);
  EXPECT_EQ(packed.clipped, 2u);
  EXPECT_EQ((std::vector<int8_t>(packed.values.begin(), packed.values.begin() + 6)),
            (std::vector<int8_t>{127, -127, 64, -127, 127, 0}));
}

TEST(Int8, OfARowDoesNotDependOnTheOthers) {
  const std::vector<float> rows = random_unit_rows(384, 3);
  const std::vector<int8_t> all = to_int8(rows, 384).values;
  for (size_t i = 0; i < kRows; i++) {
    const std::vector<int8_t> alone = to_int8(std::span(rows).subspan(i * 384, 384), 384).values;
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), all.begin() + static_cast<std::ptrdiff_t>(i * 384)));
  }
}

TEST(Int8, RefusesLongRowsAndWhatIsNotFinite) {
  std::vector<float> rows = random_unit_rows(16, 4);
  EXPECT_NO_THROW(to_int8(rows, 16));
  EXPECT_NO_THROW(to_int8(std::vector<float>(16), 16));  // zeros stand for themselves
  for (const float broken : {1.01f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    rows[16 * 7 + 3] = broken;
    EXPECT_TRUE(is_refused([&] { to_int8(rows, 16); }, "row 7: length"));
  }
  EXPECT_TRUE(is_refused([&] { to_int8(rows, 15); }, "640 values are no rows of 15"));
  EXPECT_TRUE(is_refused([&] { to_int8(rows, 0); }, "no rows of 0"));
  EXPECT_TRUE(is_refused([&] { from_int8(std::vector<int8_t>(31), 16); }, "31 values are no rows of 16"));
}

TEST(Binary, IsThatOfNumpyAndSentenceTransformers) {
  // numpy.packbits([[1, -1, 0, 2, -3, 4, -5, 6, 7, -8]] > 0, axis=1) is [[149, 128]].
  const std::vector<float> vector = {1, -1, 0, 2, -3, 4, -5, 6, 7, -8};
  EXPECT_EQ(to_ubinary(vector, 10), (std::vector<uint8_t>{149, 128}));
  EXPECT_EQ(to_binary(vector, 10), (std::vector<int8_t>{21, 0}));
  EXPECT_EQ(to_ubinary(vector, 5), (std::vector<uint8_t>{0x90, 0xB0}));  // two rows
  EXPECT_EQ(to_ubinary(std::vector<float>(1024, 1.0f), 1024).size(), 128u);
}

TEST(Binary, LosesWhatItSays) {
  for (const size_t dimensions : {20, 384, 1024}) {
    const std::vector<float> vectors = random_unit_rows(dimensions, 5);
    const std::vector<float> back = from_ubinary(to_ubinary(vectors, dimensions), dimensions);
    EXPECT_EQ(from_binary(to_binary(vectors, dimensions), dimensions), back);
    ASSERT_EQ(back.size(), vectors.size());
    for (size_t i = 0; i < kRows; i++) {
      const float *from = vectors.data() + i * dimensions, *to = back.data() + i * dimensions;
      double magnitudes = 0;
      for (size_t k = 0; k < dimensions; k++) magnitudes += std::fabs(from[k]);
      EXPECT_NEAR(dot(to, to, dimensions), 1, 1e-6);
      EXPECT_NEAR(dot(from, to, dimensions), magnitudes / std::sqrt(static_cast<double>(dimensions)), 1e-6);
    }
  }
}

TEST(Binary, RefusesWhatIsNotANumber) {
  std::vector<float> vectors(32, 1.0f);
  vectors[16 + 9] = std::nanf("");
  EXPECT_TRUE(is_refused([&] { to_ubinary(vectors, 16); }, "row 1: component 9 is not a number"));
  EXPECT_TRUE(is_refused([&] { to_ubinary(vectors, 20); }, "32 values are no rows of 20"));
  EXPECT_TRUE(is_refused([&] { from_ubinary(std::vector<uint8_t>(3), 16); }, "3 values are no rows of 2"));
}

TEST(Quantize, MaxSimLosesNoMoreThanAProduct) {
  constexpr size_t kDimensions = 1024;
  const std::vector<float> query = random_unit_rows(kDimensions, 6), passage = random_unit_rows(kDimensions, 7);
  const float exact = max_sim({query, kDimensions}, {passage, kDimensions});
  const std::vector<float> half = from_float16(to_float16(passage));
  const std::vector<float> bytes = from_int8(to_int8(passage, kDimensions).values, kDimensions);
  // 2^-11 of terms that add up to at most 1, and of the tiniest components 2^-25 each.
  EXPECT_NEAR(max_sim({query, kDimensions}, {half, kDimensions}), exact, 0x1p-11 + 32 * 0x1p-25 + 1e-6);
  EXPECT_NEAR(max_sim({query, kDimensions}, {bytes, kDimensions}), exact, 8.0 / 254 + 1e-6);
}

}  // namespace
}  // namespace bgem3
