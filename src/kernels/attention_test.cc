// Attention in f32 and bf16 on every instruction set of this machine: against float64, and bit for bit against the
// scalar kernels.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/ops.h"
#include "kernels/test_values.h"

namespace bgem3 {
namespace {

class AttentionTest : public testing::TestWithParam<std::string> {
 protected:
  const Ops& ops() const { return ops_for(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Isa, AttentionTest, testing::ValuesIn(present_isas()),
                         [](const auto& test) { return test.param; });

template <typename T>
Matrix<T> random_values_of(size_t rows, size_t columns, unsigned seed, float scale) {
  if constexpr (std::is_same_v<T, float>) {
    return random_matrix(rows, columns, seed, scale);
  } else {
    return random_bf16(rows, columns, seed, scale);
  }
}

template <typename T>
auto kernel_of(const Ops& ops) {
  if constexpr (std::is_same_v<T, float>) {
    return ops.attention_f32;
  } else {
    return ops.attention_bf16;
  }
}

template <typename T>
struct AttentionCase {
  Matrix<T> queries, keys, values;
  size_t tokens, head_size;

  AttentionCase(size_t tokens_, size_t head_size_, float query_size = 3)
      : queries(random_values_of<T>(tokens_, head_size_, 1, query_size)),
        keys(random_values_of<T>(tokens_, head_size_, 2, 1)),
        values(random_values_of<T>(tokens_, head_size_, 3, 1)),
        tokens(tokens_),
        head_size(head_size_) {}
  double scale() const { return static_cast<float>(1 / std::sqrt(static_cast<double>(head_size))); }
  double query(size_t row, size_t column) { return static_cast<float>(queries.rows(tokens).row(row)[column]); }
  double key(size_t row, size_t column) { return static_cast<float>(keys.rows(tokens).row(row)[column]); }
  double value(size_t row, size_t column) { return static_cast<float>(values.rows(tokens).row(row)[column]); }

  Matrix<T> run(const Ops& ops, std::span<float> memory, size_t block = kQueryBlock) {
    Matrix<T> out(tokens, head_size);
    for (size_t first = 0; first < tokens; first += block) {
      const size_t count = std::min(block, tokens - first);
      kernel_of<T>(ops)({queries.rows(tokens).rows_at(first, count), keys.rows(tokens), values.rows(tokens),
                         static_cast<float>(scale()), out.rows(tokens).rows_at(first, count), memory});
    }
    return out;
  }
  // With scratch memory of exactly the size asked for.
  Matrix<T> run(const Ops& ops, size_t block = kQueryBlock) {
    AlignedBuffer<float> memory(AttentionScratch<T>({}, tokens, head_size).size);
    return run(ops, {memory.data(), memory.size()}, block);
  }

  // One query's softmax in float64, and how large the terms of its scores get.
  struct Softmax {
    std::vector<double> weights;
    double widest = 0;
  };
  Softmax softmax(size_t row) {
    Softmax result;
    double total = 0;
    for (size_t k = 0; k < tokens; k++) {
      double score = 0, size = 0;
      for (size_t j = 0; j < head_size; j++) {
        score += query(row, j) * key(k, j);
        size += std::fabs(query(row, j) * key(k, j));
      }
      result.widest = std::max(result.widest, size * scale());
      total += result.weights.emplace_back(std::exp(score * scale()));
    }
    for (double& weight : result.weights) weight /= total;
    return result;
  }
};

// Calls f(row, column, found, expected, size of the expected value's terms, size of the scores' terms).
template <typename T, typename Function>
void for_some_results(AttentionCase<T>& test, const Ops& ops, Function f) {
  Matrix<T> out = test.run(ops);
  for (size_t i = 0; i < test.tokens; i += 17) {
    const auto softmax = test.softmax(i);
    for (size_t j = 0; j < test.head_size; j++) {
      double expected = 0, size = 0;
      for (size_t k = 0; k < test.tokens; k++) {
        expected += softmax.weights[k] * test.value(k, j);
        size += softmax.weights[k] * std::fabs(test.value(k, j));
      }
      f(i, j, static_cast<float>(out.rows(test.tokens).row(i)[j]), expected, size, softmax.widest);
    }
  }
}

TEST_P(AttentionTest, IsExactToFloat32) {
  for (const size_t tokens : {1, 2, 12, 13, 31, 32, 33, 48, 49, 255, 256, 257, 300, 513}) {
    for (const size_t head_size : {1, 12, 32, 64, 80}) {
      AttentionCase<float> test(tokens, head_size);
      for_some_results(test, ops(), [&](size_t i, size_t j, double found, double expected, double size, double widest) {
        // A score's rounding (its size times 2^-24, a few times) is a relative error of its weight.
        ASSERT_NEAR(found, expected, (4 * widest + 16) * 0x1p-24 * size)
            << tokens << " tokens, head " << head_size << ", " << i << ", " << j;
      });
    }
  }
}

TEST_P(AttentionTest, IsExactToBf16) {
  for (const size_t tokens : {1, 2, 3, 13, 31, 32, 33, 49, 255, 257, 513}) {
    for (const size_t head_size : {1, 3, 12, 33, 64, 80}) {
      AttentionCase<BFloat16> test(tokens, head_size);
      for_some_results(test, ops(), [&](size_t i, size_t j, double found, double expected, double size, double widest) {
        // Relative to the terms: a weight's rounding to bf16 (2^-8) and its error before (1.1e-4, as
        // much again for their sum and for each tile's factor), and a score's rounding in f32, at
        // most 2^-24 for each step of its sum. Then the result's own rounding to bf16.
        const double tiles = std::ceil(static_cast<double>(tokens) / kKeyTile);
        const double relative =
            0x1p-8 + 1.1e-4 * (1 + tiles) + 2 * widest * (static_cast<double>(head_size) + 4) * 0x1p-24;
        ASSERT_NEAR(found, expected, relative * size + 0x1p-8 * (std::fabs(expected) + relative * size))
            << tokens << " tokens, head " << head_size << ", " << i << ", " << j;
      });
    }
  }
}

// `query_size` of hundreds: most weights underflow, some just so.
template <typename T>
void expect_the_scalar_bits(const Ops& ops, float query_size) {
  for (const size_t tokens : {1, 5, 33, 256, 301}) {
    for (const size_t head_size : {1, 7, 20, 33, 64}) {
      AttentionCase<T> test(tokens, head_size, query_size);
      Matrix<T> expected = test.run(kScalarOps);
      for (const size_t block : {1, 7, 48, 256}) {
        Matrix<T> found = test.run(ops, block);
        ASSERT_TRUE(same_bits(expected.rows(tokens), found.rows(tokens)))
            << tokens << " tokens, head " << head_size << ", cut " << block << ", queries " << query_size;
      }
    }
  }
}

TEST_P(AttentionTest, EqualsTheScalarKernelsAndAnyCutOfTheQueries) {
  for (const float query_size : {3.0f, 100.0f, 1e4f}) {
    expect_the_scalar_bits<float>(ops(), query_size);
    expect_the_scalar_bits<BFloat16>(ops(), query_size);
  }
}

template <typename T>
void expect_means_for_huge_scores(const Ops& ops) {
  AttentionCase<T> test(300, 32, 3e4f);
  Matrix<T> out = test.run(ops);
  for (size_t i = 0; i < 300; i++) {
    for (size_t j = 0; j < 32; j++) {
      ASSERT_LT(std::fabs(static_cast<float>(out.rows(300).row(i)[j])), 6);  // values are within 6
    }
  }
}

TEST_P(AttentionTest, SurvivesHugeScores) {
  expect_means_for_huge_scores<float>(ops());
  expect_means_for_huge_scores<BFloat16>(ops());
}

template <typename T>
void expect_not_a_number_stays(const Ops& ops) {
  AttentionCase<T> test(41, 32);
  test.keys.rows(41).row(35)[0] = T(NAN);
  Matrix<T> out = test.run(ops);
  for (size_t i = 0; i < 41; i++) EXPECT_TRUE(std::isnan(static_cast<float>(out.rows(41).row(i)[5])));
}

TEST_P(AttentionTest, KeepsWhatIsNotANumber) {
  expect_not_a_number_stays<float>(ops());
  expect_not_a_number_stays<BFloat16>(ops());
}

template <typename T>
void expect_no_trace_of_other_calls(const Ops& ops) {
  AttentionCase<T> broken(310, 80);
  for (Matrix<T>* matrix : {&broken.queries, &broken.keys, &broken.values}) {
    for (size_t i = 0; i < 310; i++) std::fill_n(matrix->rows(310).row(i), 80, T(NAN));
  }
  AlignedBuffer<float> memory(AttentionScratch<T>({}, 310, 80).size);
  const std::span<float> span(memory.data(), memory.size());
  for (const size_t tokens : {1, 3, 31, 33, 257, 301}) {
    for (const size_t head_size : {1, 7, 33, 64}) {
      AttentionCase<T> clean(tokens, head_size);
      Matrix<T> expected = clean.run(ops);
      broken.run(ops, span);
      Matrix<T> after_broken = clean.run(ops, span);
      ASSERT_TRUE(same_bits(expected.rows(tokens), after_broken.rows(tokens))) << tokens << ", head " << head_size;
      std::fill(span.begin(), span.end(), NAN);
      Matrix<T> after_fill = clean.run(ops, span);
      ASSERT_TRUE(same_bits(expected.rows(tokens), after_fill.rows(tokens))) << tokens << ", head " << head_size;
    }
  }
}

TEST_P(AttentionTest, LeavesNothingToTheNextCall) {
  expect_no_trace_of_other_calls<float>(ops());
  expect_no_trace_of_other_calls<BFloat16>(ops());
}

}  // namespace
}  // namespace bgem3
