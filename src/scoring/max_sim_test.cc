// MaxSim on every instruction set of this machine: against float64, bit for bit alone and in any list, with any number
// of threads, and as FlagEmbedding counts padding.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "bgem3/scoring.h"
#include "kernels/ops.h"
#include "kernels/test_values.h"
#include "scoring/test_errors.h"

namespace bgem3 {
namespace {

// Unit vectors of random direction, end to end.
struct Texts {
  std::vector<float> values;
  std::vector<size_t> starts = {0};
  size_t dimensions;

  Texts(std::vector<size_t> lengths, size_t dimensions_, unsigned seed) : dimensions(dimensions_) {
    for (const size_t length : lengths) starts.push_back(starts.back() + length);
    values = random_values(starts.back() * dimensions, seed);
    for (size_t i = 0; i < starts.back(); i++) kScalarOps.normalize_row(values.data() + i * dimensions, dimensions);
  }
  TokenVectorsList list() const { return {values, starts, dimensions}; }
  TokenVectors operator[](size_t text) const {
    const size_t begin = starts[text] * dimensions, end = starts[text + 1] * dimensions;
    return {std::span(values).subspan(begin, end - begin), dimensions};
  }
};

double exact_score(const TokenVectors& query, const TokenVectors& passage, bool zero_row = false) {
  const size_t dimensions = query.dimensions, queries = query.values.size() / dimensions;
  double sum = 0;
  for (size_t q = 0; q < queries; q++) {
    double best = zero_row ? 0 : -std::numeric_limits<double>::infinity();
    for (size_t p = 0; p < passage.values.size() / dimensions; p++) {
      double product = 0;
      for (size_t k = 0; k < dimensions; k++) {
        product += double{query.values[q * dimensions + k]} * passage.values[p * dimensions + k];
      }
      best = std::max(best, product);
    }
    sum += best;
  }
  return sum / static_cast<double>(queries);
}

// A product is off by at most half a unit in the last place for each step of a block, and each block sum; terms of unit
// vectors add up to at most 1. The mean is computed in float64 and rounded once.
double bound(size_t dimensions) {
  const size_t block = depth_block(dimensions);
  return static_cast<double>(block + dimensions / block + 2) * 0x1p-24;
}

class MaxSimTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Isa, MaxSimTest, testing::ValuesIn(present_isas()),
                         [](const auto& test) { return test.param; });

TEST_P(MaxSimTest, IsExactToFloat32) {
  const MaxSim scorer({.threads = 2, .isa = GetParam()});
  for (const size_t dimensions : {1, 7, 64, 384, 1024}) {
    for (const size_t tokens : {1, 8, 16, 17, 32, 33, 70}) {
      const Texts query({tokens}, dimensions, 1), passages({1, 128, 12, 5, 31, 1, 1, 40}, dimensions, 2);
      const std::vector<float> scores = scorer.scores(query[0], passages.list());
      ASSERT_EQ(scores.size(), 8u);
      for (size_t i = 0; i < scores.size(); i++) {
        EXPECT_NEAR(scores[i], exact_score(query[0], passages[i]), bound(dimensions))
            << tokens << " tokens, " << dimensions << " dimensions, passage " << i;
      }
    }
  }
}

TEST_P(MaxSimTest, SameBitsAloneAndInAnyListWithAnyThreads) {
  std::vector<size_t> lengths;
  for (size_t i = 0; i < 100; i++) lengths.push_back(1 + i * 7 % 45);
  const Texts queries({35, 8, 24}, 520, 3), passages(lengths, 520, 4);
  const MaxSim scalar({.threads = 1, .isa = "scalar"});
  for (size_t query = 0; query < 3; query++) {
    std::vector<float> expected;
    for (size_t i = 0; i < lengths.size(); i++) {
      const std::vector<size_t> starts = {0, lengths[i]};
      expected.push_back(scalar.scores(queries[query], {passages[i].values, starts, 520})[0]);
    }
    for (const int threads : {1, 2, 0}) {
      EXPECT_EQ(MaxSim({.threads = threads, .isa = GetParam()}).scores(queries[query], passages.list()), expected)
          << query << ", " << threads;
    }
  }
}

TEST(MaxSim, OfOnePairHasTheBitsOfTheList) {
  const Texts query({9}, 1024, 5), passages({30, 34}, 1024, 6);
  const std::vector<float> scores = MaxSim().scores(query[0], passages.list());
  EXPECT_EQ(max_sim(query[0], passages[0]), scores[0]);
  EXPECT_EQ(max_sim(query[0], passages[1]), scores[1]);
}

TEST(MaxSim, CountsZeroRowsOnlyWhereAsked) {
  const Texts query({20}, 8, 7), passages({1, 2, 3}, 8, 8);  // few and short vectors: some best products are negative
  const MaxSim scorer;
  const std::vector<float> exact = scorer.scores(query[0], passages.list());
  const std::vector<float> filled = scorer.scores(query[0], passages.list(), 3);
  for (size_t i = 0; i < 3; i++) {
    EXPECT_NEAR(exact[i], exact_score(query[0], passages[i]), bound(8));
    EXPECT_NEAR(filled[i], exact_score(query[0], passages[i], i < 2), bound(8));
    EXPECT_EQ(filled[i], max_sim(query[0], passages[i], 3));
  }
  EXPECT_GT(filled[0], exact[0]);
  EXPECT_EQ(filled[2], exact[2]);  // the longest has no padding
}

TEST(MaxSim, ShowsWhatIsNotFinite) {
  const Texts query({4}, 64, 9);
  Texts passages({3, 40, 3}, 64, 10);
  passages.values[(3 + 20) * 64 + 5] = std::nanf("");
  const std::vector<float> scores = MaxSim().scores(query[0], passages.list());
  EXPECT_TRUE(std::isfinite(scores[0]));
  EXPECT_TRUE(std::isnan(scores[1]));
  EXPECT_TRUE(std::isfinite(scores[2]));
}

TEST(MaxSim, TakesNoPassages) {
  const Texts query({4}, 64, 9), none({}, 64, 10);
  EXPECT_TRUE(MaxSim().scores(query[0], none.list()).empty());
}

TEST(MaxSim, RefusesWhatContradictsItself) {
  const Texts query({4}, 64, 1), passages({3, 2}, 64, 2), other({3}, 32, 3), with_empty({3, 0, 2}, 64, 4);
  const MaxSim scorer;
  EXPECT_TRUE(is_refused([&] { scorer.scores({{}, 64}, passages.list()); }, "the query has no vectors"));
  EXPECT_TRUE(is_refused(
      [&] {
        scorer.scores({{}, 0}, {{}, passages.starts, 0});
      },
      "query: 0 values are no rows of 0"));
  EXPECT_TRUE(is_refused([&] { scorer.scores(query[0], with_empty.list()); }, "passage 1 has no vectors"));
  EXPECT_TRUE(is_refused([&] { max_sim(query[0], {{}, 64}); }, "the passage has no vectors"));
  EXPECT_TRUE(
      is_refused([&] { scorer.scores(query[0], other.list()); }, "the query has 64 dimensions, passages have 32"));
  EXPECT_TRUE(is_refused([&] { max_sim(query[0], other[0]); }, "the query has 64 dimensions"));
  const std::span<const float> cut = std::span(passages.values).first(100);
  EXPECT_TRUE(is_refused([&] { max_sim(query[0], {cut, 64}); }, "passage: 100 values are no rows of 64 dimensions"));
  EXPECT_TRUE(is_refused([&] { scorer.scores({cut, 64}, passages.list()); }, "query: 100 values"));
  const std::vector<size_t> falling = {0, 4, 3, 5}, elsewhere = {0, 4};
  EXPECT_TRUE(is_refused(
      [&] {
        scorer.scores(query[0], {passages.values, falling, 64});
      },
      "passage 1 starts at 4 and ends at 3"));
  EXPECT_TRUE(is_refused(
      [&] {
        scorer.scores(query[0], {passages.values, elsewhere, 64});
      },
      "from 0 to 5, the number of rows"));
  EXPECT_TRUE(is_refused([&] { MaxSim({.threads = -1}); }, "threads -1"));
  EXPECT_TRUE(is_refused([&] { MaxSim({.isa = "mmx"}); }, "instruction set \"mmx\""));
}

}  // namespace
}  // namespace bgem3
