// Every kernel on every instruction set of this machine: against its definition in plain loops, bit for bit where the
// definition gives bits, otherwise against float64; and always bit for bit against the scalar kernels.
#include "kernels/ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/float_mode.h"
#include "kernels/test_values.h"

namespace bgem3 {
namespace {

class OpsTest : public testing::TestWithParam<std::string> {
 protected:
  // Fails the test if the table under test is not the one it is named after.
  void SetUp() override { ASSERT_EQ(ops().name, GetParam()); }
  const Ops& ops() const { return ops_for(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Isa, OpsTest, testing::ValuesIn(present_isas()), [](const auto& test) { return test.param; });

TEST(Ops, AutoIsTheLastPresentSet) { EXPECT_EQ(ops_for("auto").name, present_isas().back()); }

TEST(Ops, RefusesUnknownNamesWithAList) {
  try {
    ops_for("avx1024");
    FAIL();
  } catch (const InvalidInputError& error) {
    EXPECT_NE(std::string(error.what()).find("scalar"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("avx1024"), std::string::npos);
  }
}

// ---- Matrix product ----

// The definition of the bits: chains of 32 or 128 fused multiply-adds, block sums added in ascending order, then the
// epilogue.
float product_by_definition(const float* x, const float* w, size_t depth) {
  float total = 0;
  const size_t block = depth < 512 ? 32 : 128;
  for (size_t k = 0; k < depth; k += block) {
    float sum = 0;
    for (size_t i = k; i < std::min(depth, k + block); i++) sum = std::fma(x[i], w[i], sum);
    total = k == 0 ? sum : total + sum;
  }
  return total;
}

struct ProductCase {
  Matrix<float> x, residual;
  std::vector<float> w, bias;
  OwnedWeights packed;
  size_t rows, columns, depth;

  ProductCase(size_t rows_, size_t columns_, size_t depth_)
      : x(random_matrix(rows_, depth_, 1)),
        residual(random_matrix(rows_, columns_, 2)),
        w(random_values(columns_ * depth_, 3)),
        bias(random_values(columns_, 4)),
        packed(WeightType::f32, columns_, depth_),
        rows(rows_),
        columns(columns_),
        depth(depth_) {
    packed.pack(0, {w.data(), columns, depth, depth}, bias);
  }
  Matrix<float> run(const Ops& ops, Epilogue epilogue) {
    Matrix<float> y(rows, columns);
    const PackedWeights weights = packed.view();
    ops.multiply({.weights = &weights,
                  .x = x.rows(rows),
                  .epilogue = epilogue,
                  .residual = residual.rows(rows),
                  .y = y.rows(rows)},
                 {0, rows, 0, weights.panels()}, scratch());
    return y;
  }
};

TEST_P(OpsTest, ProductEqualsItsDefinition) {
  for (const size_t depth : {1, 2, 31, 32, 33, 48, 257, 511, 512, 513, 640, 1024, 1025, 2100}) {
    for (const size_t rows : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25}) {
      ProductCase test(rows, 33, depth);
      Matrix<float> plain = test.run(ops(), Epilogue::bias), with_residual = test.run(ops(), Epilogue::bias_residual);
      for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < test.columns; j++) {
          const float expected =
              product_by_definition(test.x.rows(rows).row(i), test.w.data() + j * depth, depth) + test.bias[j];
          ASSERT_EQ(plain.rows(rows).row(i)[j], expected)
              << rows << " rows, depth " << depth << ", row " << i << ", column " << j;
          ASSERT_EQ(with_residual.rows(rows).row(i)[j], expected + test.residual.rows(rows).row(i)[j]);
        }
      }
    }
  }
}

TEST_P(OpsTest, ProductDoesNotDependOnHowTheWorkIsCut) {
  constexpr size_t kRows = 130;
  ProductCase test(kRows, 200, 1100);
  Matrix<float> whole = test.run(ops(), Epilogue::bias_gelu);
  Matrix<float> parts(kRows, 200);
  const PackedWeights weights = test.packed.view();
  const Product product = {
      .weights = &weights, .x = test.x.rows(kRows), .epilogue = Epilogue::bias_gelu, .y = parts.rows(kRows)};
  for (const auto& [first, last] : std::vector<std::pair<size_t, size_t>>{{97, 130}, {0, 1}, {1, 5}, {5, 97}}) {
    ops().multiply(product, {first, last, 3, 7}, scratch());
    ops().multiply(product, {first, last, 0, 3}, scratch());
  }
  EXPECT_TRUE(same_bits(whole.rows(kRows), parts.rows(kRows)));
}

TEST_P(OpsTest, ProductEqualsTheScalarKernels) {
  for (const size_t columns : {1, 16, 31, 32, 64, 95}) {
    ProductCase test(14, columns, 300);
    for (const Epilogue epilogue : {Epilogue::bias, Epilogue::bias_gelu, Epilogue::bias_residual}) {
      Matrix<float> expected = test.run(kScalarOps, epilogue), found = test.run(ops(), epilogue);
      EXPECT_TRUE(same_bits(expected.rows(14), found.rows(14))) << columns << " columns";
    }
  }
}

TEST_P(OpsTest, ProductKeepsWhatIsNotANumber) {
  ProductCase test(1, 32, 16);
  test.x.rows(1).row(0)[3] = std::nanf("");
  for (const Epilogue epilogue : {Epilogue::bias, Epilogue::bias_gelu}) {
    Matrix<float> y = test.run(ops(), epilogue);
    for (size_t j = 0; j < 32; j++) EXPECT_TRUE(std::isnan(y.rows(1).row(0)[j]));
  }
}

TEST_P(OpsTest, LargestProductsEqualTheirDefinition) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  for (const size_t depth : {1, 33, 511, 512, 1024, 1100}) {
    for (const size_t rows : {1, 5, 12, 13, 26}) {
      for (const size_t columns : {1, 16, 17, 32, 33, 48, 70}) {
        ProductCase test(rows, columns, depth);
        const PackedWeights weights = test.packed.view();
        AlignedBuffer<float> found(weights.panels() * 32);
        std::fill_n(found.data(), columns, kNone);
        ops().largest_products(test.x.rows(rows), weights, found.data());
        for (size_t j = 0; j < columns; j++) {
          float expected = kNone;
          for (size_t i = 0; i < rows; i++) {
            expected =
                std::max(expected, product_by_definition(test.x.rows(rows).row(i), test.w.data() + j * depth, depth));
          }
          ASSERT_EQ(found[j], expected) << rows << " rows, depth " << depth << ", column " << j << " of " << columns;
        }
        // In two parts, and with a value before that is never reached.
        AlignedBuffer<float> parts(weights.panels() * 32), above(weights.panels() * 32);
        std::fill_n(parts.data(), columns, kNone);
        std::fill_n(above.data(), columns, 1e6f);
        ops().largest_products(test.x.rows(rows).rows_at(rows / 2, rows - rows / 2), weights, parts.data());
        ops().largest_products(test.x.rows(rows).rows_at(0, rows / 2), weights, parts.data());
        ops().largest_products(test.x.rows(rows), weights, above.data());
        EXPECT_EQ(std::memcmp(parts.data(), found.data(), columns * sizeof(float)), 0);
        for (size_t j = 0; j < columns; j++) ASSERT_EQ(above[j], 1e6f);
      }
    }
  }
}

TEST_P(OpsTest, LargestProductsShowWhatIsNotFinite) {
  for (const float broken : {std::nanf(""), std::numeric_limits<float>::infinity(), 1e38f}) {  // the last overflows
    ProductCase test(30, 40, 64);
    test.x.rows(30).row(17)[3] = broken;
    std::fill_n(test.w.data(), test.w.size(), 100.0f);
    test.packed.pack(0, {test.w.data(), 40, 64, 64}, test.bias);
    AlignedBuffer<float> found(64);
    ops().largest_products(test.x.rows(30), test.packed.view(), found.data());
    for (size_t j = 0; j < 40; j++) EXPECT_TRUE(std::isnan(found[j])) << broken << ", column " << j;
  }
}

// A product with one input 1 and depth 1 shows the epilogue's function of each weight.
std::vector<float> gelu_of(const Ops& ops, const std::vector<float>& values) {
  OwnedWeights packed(WeightType::f32, values.size(), 1);
  packed.pack(0, {values.data(), values.size(), 1, 1}, std::vector<float>(values.size(), 0.0f));
  Matrix<float> x(1, 1), y(1, values.size());
  x.rows(1).row(0)[0] = 1;
  const PackedWeights weights = packed.view();
  ops.multiply({.weights = &weights, .x = x.rows(1), .epilogue = Epilogue::bias_gelu, .y = y.rows(1)},
               {0, 1, 0, weights.panels()}, scratch());
  const float* row = y.rows(1).row(0);
  return std::vector<float>(row, row + values.size());
}

TEST_P(OpsTest, GeluIsExactToFloat32) {
  std::vector<float> values;
  for (float v = -12; v <= 12; v += 1.0f / 4096) values.push_back(v);
  for (const float v : {-1e30f, -100.0f, -0.0f, 0.0f, 1e-30f, -1e-30f, 100.0f, 1e30f}) values.push_back(v);
  const std::vector<float> found = gelu_of(ops(), values);
  for (size_t i = 0; i < values.size(); i++) {
    const double x = values[i], expected = 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    // One rounding each of z, erf, the factor and the two products, relative to |x|; torch's fp32 form has the same
    // bound.
    ASSERT_NEAR(found[i], expected, 1.5e-7 * std::fabs(x)) << x;
  }
}

// ---- Operations on rows ----

TEST_P(OpsTest, LayerNormIsExactAndEqualsTheScalarKernels) {
  for (const size_t columns : {1, 2, 15, 16, 17, 48, 384, 1024, 1031}) {
    Matrix<float> x = random_matrix(5, columns, 7, 3), y(5, columns), scalar_y(5, columns);
    const std::vector<float> gain = random_values(columns, 8), bias = random_values(columns, 9);
    ops().layer_norm(x.rows(5), gain.data(), bias.data(), 1e-5f, y.rows(5));
    kScalarOps.layer_norm(x.rows(5), gain.data(), bias.data(), 1e-5f, scalar_y.rows(5));
    EXPECT_TRUE(same_bits(y.rows(5), scalar_y.rows(5))) << columns << " columns";
    for (size_t i = 0; i < 5; i++) {
      double mean = 0, variance = 0;
      const float* row = x.rows(5).row(i);
      for (size_t j = 0; j < columns; j++) mean += row[j] / static_cast<double>(columns);
      for (size_t j = 0; j < columns; j++) variance += (row[j] - mean) * (row[j] - mean) / static_cast<double>(columns);
      for (size_t j = 0; j < columns; j++) {
        const double centred = (row[j] - mean) / std::sqrt(variance + 1e-5);
        ASSERT_NEAR(y.rows(5).row(i)[j], centred * gain[j] + bias[j], 2e-6 * (1 + std::fabs(centred * gain[j])))
            << columns;
      }
    }
    ops().layer_norm(x.rows(5), gain.data(), bias.data(), 1e-5f, x.rows(5));  // in place
    EXPECT_TRUE(same_bits(x.rows(5), y.rows(5)));
  }
}

TEST_P(OpsTest, RowOperationsEqualTheirDefinition) {
  for (const size_t columns : {1, 16, 17, 100, 1024}) {
    const std::vector<float> a = random_values(columns, 1), b = random_values(columns, 2),
                             c = random_values(columns, 3);
    std::vector<float> y(columns + 1, 77);
    ops().add_rows(a.data(), b.data(), c.data(), columns, y.data());
    for (size_t j = 0; j < columns; j++) EXPECT_EQ(y[j], (a[j] + b[j]) + c[j]);

    constexpr size_t kRows = 4000;
    Matrix<float> x = random_matrix(kRows, columns, 4);
    ops().mean_rows(x.rows(kRows), y.data());
    std::vector<float> scalar_y(columns);
    kScalarOps.mean_rows(x.rows(kRows), scalar_y.data());
    for (size_t j = 0; j < columns; j++) {
      double sum = 0;
      for (size_t i = 0; i < kRows; i++) sum += x.rows(kRows).row(i)[j];
      EXPECT_NEAR(y[j], sum / kRows,
                  1e-9 + 2e-7 * std::abs(sum / kRows));  // a plain chain of float additions is several times worse
      EXPECT_EQ(y[j], scalar_y[j]);
    }
    EXPECT_EQ(y[columns], 77);  // nothing past the end is written
  }
}

TEST_P(OpsTest, NormalizeGivesLengthOneAndLeavesZeros) {
  for (const size_t columns : {1, 16, 17, 384, 1024}) {
    std::vector<float> x = random_values(columns, 5), scalar_x = x, zeros(columns, 0);
    ops().normalize_row(x.data(), columns);
    kScalarOps.normalize_row(scalar_x.data(), columns);
    EXPECT_EQ(std::memcmp(x.data(), scalar_x.data(), columns * sizeof(float)), 0);
    double length = 0;
    for (const float v : x) length += double{v} * v;
    EXPECT_NEAR(std::sqrt(length), 1, 2e-7);
    ops().normalize_row(zeros.data(), columns);
    for (const float v : zeros) EXPECT_EQ(v, 0.0f);
  }
}

// The error of sixteen chains and a tree: as many roundings as a chain is long, of sums below that of |x y|.
TEST_P(OpsTest, DotIsCloseToFloat64) {
  for (const size_t columns : {1, 15, 16, 17, 100, 384, 1024}) {
    const std::vector<float> x = random_values(columns, 5), y = random_values(columns, 6);
    const float found = ops().dot(x.data(), y.data(), columns);
    EXPECT_EQ(found, kScalarOps.dot(x.data(), y.data(), columns));
    double exact = 0, magnitude = 0;
    for (size_t i = 0; i < columns; i++) exact += double{x[i]} * y[i], magnitude += std::abs(double{x[i]} * y[i]);
    EXPECT_NEAR(found, exact, (static_cast<double>(columns) / 16 + 5) * 0x1p-24 * magnitude) << columns;
  }
}

#if defined(__x86_64__)
TEST(FloatMode, HoldsWhileItLives) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x8040 | 0x6000);  // flush denormals, round towards zero
  {
    const FloatMode mode;
    EXPECT_EQ(_mm_getcsr(), 0x1f80u);
  }
  EXPECT_EQ(_mm_getcsr() & 0xe040u, 0xe040u);
  _mm_setcsr(before);
}
#endif

}  // namespace
}  // namespace bgem3
