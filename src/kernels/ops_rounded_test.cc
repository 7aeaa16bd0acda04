// The kernels of weights and activations in half precision, bf16 and 8 bits, on every instruction set of this machine:
// against their definition in plain loops, bit for bit where it gives bits, otherwise against float64; and always bit
// for bit against the scalar kernels.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/ops.h"
#include "kernels/test_values.h"

namespace bgem3 {
namespace {

class RoundedOpsTest : public testing::TestWithParam<std::string> {
 protected:
  const Ops& ops() const { return ops_for(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Isa, RoundedOpsTest, testing::ValuesIn(present_isas()),
                         [](const auto& test) { return test.param; });

// ---- Matrix product ----

// A product with random inputs of the type of its weights. Weights are exact in that type, so that `w` is what the
// kernels read.
struct ProductCase {
  WeightType type;
  size_t rows, columns, depth;
  Matrix<float> x, residual;
  Matrix<BFloat16> x16;
  Matrix<uint8_t> x8;
  std::vector<float> x_scales, w, w_scales, bias;
  std::vector<int32_t> x_zeros;
  OwnedWeights packed;

  ProductCase(WeightType type_, size_t rows_, size_t columns_, size_t depth_, float x_width = 1, float w_width = 1)
      : type(type_),
        rows(rows_),
        columns(columns_),
        depth(depth_),
        x(random_matrix(rows_, depth_, 1)),
        residual(random_matrix(rows_, columns_, 2, x_width * w_width)),
        x16(random_bf16(rows_, depth_, 5, x_width, true)),
        x8(rows_, depth_),
        x_scales(random_values(rows_, 6)),
        w(random_values(columns_ * depth_, 3, w_width)),
        w_scales(columns_),
        bias(random_values(columns_, 4, x_width * w_width)),
        x_zeros(rows_),
        packed(type_, columns_, depth_) {
    std::fill_n(bias.begin(), columns / 2, 0.0f);  // shows the sums as they are
    std::mt19937 generator(7);
    for (size_t i = 0; i < rows; i++) {
      x_zeros[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? 255 : static_cast<int32_t>(generator() % 256);
      for (size_t k = 0; k < depth; k++) x8.rows(rows).row(i)[k] = static_cast<uint8_t>(generator());
    }
    for (size_t j = 0; j < columns; j++) {
      w_scales[j] = std::ldexp(1.0f, static_cast<int>(j % 5) - 7);
      for (size_t k = 0; k < depth; k++) {
        float& value = w[j * depth + k];
        if (type == WeightType::f16) {  // normal and denormal numbers of half precision
          value = static_cast<float>(static_cast<int>(generator() % 2047) - 1023) * (k % 4 ? 0x1p-10f : 0x1p-24f);
        } else if (type == WeightType::bf16) {
          value = static_cast<float>(BFloat16(value));
        } else if (type == WeightType::s8) {
          value = static_cast<float>(k == 0 ? 127 : static_cast<int>(generator() % 255) - 127) * w_scales[j];
        }
      }
    }
    pack();
  }
  void pack() { packed.pack(0, {w.data(), columns, depth, depth}, bias); }

  QuantizedRows quantized() { return {x8.rows(rows), x_scales.data(), x_zeros.data()}; }

  // Into y or y16, by tasks for so many threads, last task first; for 0 threads by one task.
  void run_into(const Ops& ops, Epilogue epilogue, View<float> y, View<BFloat16> y16, int threads) {
    const PackedWeights weights = packed.view();
    const Product product = {.weights = &weights,
                             .x = x.rows(rows),
                             .x16 = x16.rows(rows),
                             .x8 = quantized(),
                             .epilogue = epilogue,
                             .residual = residual.rows(rows),
                             .y = y,
                             .y16 = y16};
    if (threads == 0) return ops.multiply(product, {0, rows, 0, weights.panels()}, scratch());
    const ProductTasks tasks(rows, 0, weights.panels(), threads);
    for (size_t i = tasks.count(); i-- > 0;) ops.multiply(product, tasks[i], scratch());
  }
  Matrix<float> run(const Ops& ops, Epilogue epilogue, int threads = 0) {
    Matrix<float> y(rows, columns);
    run_into(ops, epilogue, y.rows(rows), {}, threads);
    return y;
  }
  Matrix<BFloat16> run16(const Ops& ops, Epilogue epilogue, int threads = 0) {
    Matrix<BFloat16> y(rows, columns);
    run_into(ops, epilogue, {}, y.rows(rows), threads);
    return y;
  }
};

float flushed(float value) { return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value) : value; }

// value(i, j): an element of the product with bias. In products of bf16 denormal numbers are zero, to the end.
template <typename Value>
void expect_product(ProductCase& test, const Ops& ops, Value value) {
  const bool flushes = test.packed.view().type == WeightType::bf16;
  const size_t rows = test.rows;
  Matrix<float> plain = test.run(ops, Epilogue::bias), with_residual = test.run(ops, Epilogue::bias_residual);
  Matrix<BFloat16> plain16 = test.run16(ops, Epilogue::bias),
                   with_residual16 = test.run16(ops, Epilogue::bias_residual);
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < test.columns; j++) {
      float expected = value(i, j), residual = test.residual.rows(rows).row(i)[j];
      if (flushes) expected = flushed(expected), residual = flushed(residual);
      const float sum = flushes ? flushed(expected + residual) : expected + residual;
      ASSERT_EQ(plain.rows(rows).row(i)[j], expected)
          << rows << " rows, depth " << test.depth << ", row " << i << ", column " << j;
      ASSERT_EQ(with_residual.rows(rows).row(i)[j], sum);
      ASSERT_EQ(static_cast<float>(plain16.rows(rows).row(i)[j]), static_cast<float>(BFloat16(expected)));
      ASSERT_EQ(static_cast<float>(with_residual16.rows(rows).row(i)[j]), static_cast<float>(BFloat16(sum)));
    }
  }
}

TEST_P(RoundedOpsTest, HalfPrecisionWeightsGiveTheBitsOfTheSameWeightsInFloat32) {
  // 224 columns and depth 2100: more than one group of panels and more than two chunks of depth.
  for (const auto& [columns, depth] : std::vector<std::pair<size_t, size_t>>{{200, 2100}, {33, 300}, {32, 1}}) {
    for (size_t rows = 1; rows <= 25; rows++) {
      if (depth == 2100 && rows % 12 > 1) continue;  // slow
      ProductCase half(WeightType::f16, rows, columns, depth), full(WeightType::f32, rows, columns, depth);
      full.w = half.w;
      full.pack();
      for (const Epilogue epilogue : {Epilogue::bias, Epilogue::bias_gelu, Epilogue::bias_residual}) {
        Matrix<float> expected = full.run(ops(), epilogue), found = half.run(ops(), epilogue);
        ASSERT_TRUE(same_bits(expected.rows(rows), found.rows(rows))) << rows << " rows, depth " << depth;
      }
    }
  }
}

// Denormal numbers as zero.
// Chains of fused multiply-adds over blocks of 1024, of two neighbours the second first, in which denormal numbers are
// zero, read and written; block sums are added in ascending order.
float bf16_by_definition(const BFloat16* x, const float* w, size_t depth) {
  float total = 0;
  for (size_t k = 0; k < depth; k += 1024) {
    float sum = 0;
    const auto add = [&](size_t i) {
      if (i < depth) sum = flushed(std::fma(flushed(static_cast<float>(x[i])), flushed(w[i]), sum));
    };
    for (size_t i = k; i < std::min(depth, k + 1024); i += 2) {
      add(i + 1);
      add(i);
    }
    total = k == 0 ? sum : flushed(total + sum);
  }
  return total;
}

TEST_P(RoundedOpsTest, Bf16ProductEqualsItsDefinition) {
  struct Widths {
    float x, w;
  };
  // Of size 1; denormal inputs that would count if they were not zero; results near the smallest normal number.
  for (const Widths width : {Widths{1, 1}, Widths{1e-37f, 1e37f}, Widths{1e-19f, 1e-19f}}) {
    for (const size_t depth : {1, 2, 3, 31, 1023, 1024, 1025, 2100}) {
      for (const size_t rows : {1, 5, 13}) {
        ProductCase test(WeightType::bf16, rows, 33, depth, width.x, width.w);
        expect_product(test, ops(), [&](size_t i, size_t j) {
          return bf16_by_definition(test.x16.rows(rows).row(i), test.w.data() + j * depth, depth) +
                 flushed(test.bias[j]);
        });
        if (HasFatalFailure()) return;
      }
    }
  }
}

void expect_s8_product(ProductCase& test, const Ops& ops) {
  expect_product(test, ops, [&](size_t i, size_t j) {
    int64_t exact = 0;
    for (size_t k = 0; k < test.depth; k++) {
      const auto weight = static_cast<int64_t>(test.w[j * test.depth + k] / test.w_scales[j]);
      exact += (int64_t{test.x8.rows(test.rows).row(i)[k]} - test.x_zeros[i]) * weight;
    }
    return std::fma(static_cast<float>(exact), test.x_scales[i] * test.w_scales[j], test.bias[j]);
  });
}

TEST_P(RoundedOpsTest, S8ProductEqualsTheExactSum) {
  for (const size_t depth : {1, 2, 3, 4, 5, 63, 1024, 4096, 4097, 5002}) {
    for (const size_t rows : {1, 2, 5, 13}) {
      ProductCase test(WeightType::s8, rows, 33, depth);
      expect_s8_product(test, ops());
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(RoundedOpsTest, S8ProductDoesNotSaturate) {
  ProductCase test(WeightType::s8, 4, 64, 4096);
  for (size_t i = 0; i < test.rows; i++) std::fill_n(test.x8.rows(4).row(i), 4096, uint8_t(i < 2 ? 255 : 0));
  test.x_zeros = {0, 255, 0, 255};
  for (size_t j = 0; j < test.columns; j++) {
    std::fill_n(test.w.begin() + static_cast<ptrdiff_t>(j * 4096), 4096, (j % 2 ? 127.0f : -127.0f) * test.w_scales[j]);
  }
  test.packed = OwnedWeights(WeightType::s8, 64, 4096);
  test.pack();
  expect_s8_product(test, ops());
}

TEST_P(RoundedOpsTest, ProductsEqualTheScalarKernels) {
  for (const WeightType type : {WeightType::f16, WeightType::bf16, WeightType::s8}) {
    for (const size_t columns : {1, 31, 32, 64, 95}) {
      ProductCase test(type, 14, columns, 301);
      for (const Epilogue epilogue : {Epilogue::bias, Epilogue::bias_gelu, Epilogue::bias_residual}) {
        Matrix<float> expected = test.run(kScalarOps, epilogue), found = test.run(ops(), epilogue);
        EXPECT_TRUE(same_bits(expected.rows(14), found.rows(14))) << columns << " columns";
        if (type == WeightType::f16) continue;
        Matrix<BFloat16> expected16 = test.run16(kScalarOps, epilogue), found16 = test.run16(ops(), epilogue);
        EXPECT_TRUE(same_bits(expected16.rows(14), found16.rows(14))) << columns << " columns";
      }
    }
  }
}

TEST_P(RoundedOpsTest, ProductsDoNotDependOnTheTasks) {
  constexpr size_t kRows = 530;  // two blocks of rows
  for (const WeightType type : {WeightType::f16, WeightType::bf16, WeightType::s8}) {
    ProductCase test(type, kRows, 70, type == WeightType::f16 ? 1100 : 130);
    Matrix<float> whole = test.run(ops(), Epilogue::bias_residual);
    Matrix<float> parts = test.run(ops(), Epilogue::bias_residual, 3);
    EXPECT_TRUE(same_bits(whole.rows(kRows), parts.rows(kRows)));
    if (type == WeightType::f16) continue;
    Matrix<BFloat16> whole16 = test.run16(ops(), Epilogue::bias_gelu),
                     parts16 = test.run16(ops(), Epilogue::bias_gelu, 2);
    EXPECT_TRUE(same_bits(whole16.rows(kRows), parts16.rows(kRows)));
  }
}

TEST_P(RoundedOpsTest, ProductsWriteWholePanelsOfTheirRowsOnly) {
  for (const WeightType type : {WeightType::f16, WeightType::bf16, WeightType::s8}) {
    for (const size_t depth : {5, 4200}) {  // the second keeps sums in y meanwhile
      ProductCase test(type, 13, 33, depth);
      Matrix<float> y(14, 33);
      Matrix<BFloat16> y16(14, 33);
      const View<float> rows = y.rows(14);
      const View<BFloat16> rows16 = y16.rows(14);
      std::fill_n(rows.data, 14 * rows.stride, 77.0f);
      std::fill_n(rows16.data, 14 * rows16.stride, BFloat16(77));
      test.run_into(ops(), Epilogue::bias, rows, {}, 1);
      if (type != WeightType::f16) test.run_into(ops(), Epilogue::bias, {}, rows16, 1);
      for (size_t i = 0; i < 14; i++) {
        for (size_t j = i < 13 ? 64 : 0; j < rows.stride; j++) ASSERT_EQ(rows.row(i)[j], 77) << i << ", " << j;
        for (size_t j = i < 13 ? 64 : 0; j < rows16.stride; j++) ASSERT_EQ(rows16.row(i)[j], BFloat16(77));
      }
    }
  }
}

TEST_P(RoundedOpsTest, GeluOfRoundedProductsIsWithinItsError) {
  std::vector<float> values;
  for (float v = -12; v <= 12; v += 1.0f / 4096) values.push_back(v);
  for (const float v : {-1e30f, -100.0f, -0.0f, 1e-30f, -1e-30f, 100.0f, 1e30f}) values.push_back(v);
  for (const WeightType type : {WeightType::bf16, WeightType::s8}) {
    ProductCase test(type, 1, values.size(), 1);
    std::fill(test.w.begin(), test.w.end(), 0.0f);
    test.bias = values;
    test.packed = OwnedWeights(type, values.size(), 1);
    test.pack();
    Matrix<float> y = test.run(ops(), Epilogue::bias_gelu);
    for (size_t i = 0; i < values.size(); i++) {
      const float x = values[i], found = y.rows(1).row(0)[i];
      // Of the factor: eight steps in f32 whose terms are up to 7, times 4.2.
      const float rounding = 2e-6f * std::fabs(x);
      if (std::fabs(x) <= 4.2f) {
        ASSERT_NEAR(found, 0.5 * x * std::erfc(-double{x} / std::sqrt(2.0)), 8e-5f + rounding) << x;
      } else {
        ASSERT_NEAR(found, std::max(x, 0.0f), rounding) << x;
      }
    }
  }
}

TEST_P(RoundedOpsTest, ProductsKeepWhatIsNotANumber) {
  ProductCase rounded(WeightType::bf16, 2, 32, 17), quantised(WeightType::s8, 2, 32, 17);
  rounded.x16.rows(2).row(1)[3] = BFloat16(NAN);
  quantised.x_scales[1] = NAN;
  for (const Epilogue epilogue : {Epilogue::bias, Epilogue::bias_gelu, Epilogue::bias_residual}) {
    Matrix<float> a = rounded.run(ops(), epilogue), b = quantised.run(ops(), epilogue);
    Matrix<BFloat16> a16 = rounded.run16(ops(), epilogue);
    for (size_t j = 0; j < 32; j++) {
      EXPECT_TRUE(std::isfinite(a.rows(2).row(0)[j]) && std::isfinite(b.rows(2).row(0)[j]));
      EXPECT_TRUE(std::isnan(a.rows(2).row(1)[j]) && std::isnan(b.rows(2).row(1)[j]));
      EXPECT_TRUE(std::isnan(static_cast<float>(a16.rows(2).row(1)[j])));
    }
  }
}

TEST(ProductTasks, CoverEveryRowAndPanelOnce) {
  struct Panels {
    size_t first, last;
  };
  for (size_t rows = 1; rows <= 1100; rows++) {
    for (const Panels panels : {Panels{0, 1}, Panels{3, 7}, Panels{0, 32}}) {
      for (const int threads : {1, 2, 7, 64}) {
        const size_t count = panels.last - panels.first;
        std::vector<uint8_t> covered(rows * count);
        const ProductTasks tasks(rows, panels.first, panels.last, threads);
        for (size_t i = 0; i < tasks.count(); i++) {
          const ProductTasks::Task task = tasks[i];
          ASSERT_LT(task.first_row, task.last_row);
          ASSERT_LT(task.first_panel, task.last_panel);
          ASSERT_LE(task.last_row, rows);
          ASSERT_GE(task.first_panel, panels.first);
          ASSERT_LE(task.last_panel, panels.last);
          for (size_t row = task.first_row; row < task.last_row; row++) {
            for (size_t panel = task.first_panel; panel < task.last_panel; panel++) {
              covered[row * count + panel - panels.first]++;
            }
          }
        }
        ASSERT_TRUE(std::all_of(covered.begin(), covered.end(), [](uint8_t times) { return times == 1; }))
            << rows << " rows, " << count << " panels, " << threads << " threads";
      }
    }
  }
}

}  // namespace
}  // namespace bgem3
