#include "verify/published_values.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "bgem3/scoring.h"
#include "embedder/test_embedder.h"

namespace bgem3 {
namespace {

std::vector<double> expected_values() {
  std::vector<double> values;
  for (const PublishedValue& value : published_values()) values.push_back(value.value);
  return values;
}

std::vector<Check> compare(std::span<const double> found, const std::string& dtype) {
  std::vector<Check> all;
  Checks checks(all, "values", dtype);
  compare_published_values(found, dtype, checks);
  return all;
}

class PublishedValuesTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Dtypes, PublishedValuesTest, testing::Values("f32", "bf16", "int8"));

TEST_P(PublishedValuesTest, EachPassesWithinItsToleranceAndFailsOutside) {
  const auto& values = published_values();
  for (size_t i = 0; i < values.size(); i++) {
    const double tolerance = tolerance_in(GetParam(), values[i]);
    for (const double sign : {-1.0, 1.0}) {
      std::vector<double> found = expected_values();
      found[i] += sign * tolerance * 0.99;
      for (const Check& check : compare(found, GetParam())) EXPECT_EQ(check.outcome, Outcome::pass) << check.name;
      found[i] = values[i].value + sign * (tolerance * 1.01 + 1e-12);
      const std::vector<Check> checks = compare(found, GetParam());
      for (size_t j = 0; j < checks.size(); j++) {
        EXPECT_EQ(checks[j].outcome, i == j ? Outcome::fail : Outcome::pass) << checks[j].name;
      }
      EXPECT_NEAR(checks[i].difference, tolerance, tolerance * 0.02 + 1e-11) << checks[i].name;
      EXPECT_EQ(checks[i].tolerance, tolerance);
    }
    std::vector<double> found = expected_values();
    found[i] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(compare(found, GetParam())[i].outcome, Outcome::fail);
  }
}

TEST(PublishedValues, LowerPrecisionNeverHasLessTolerance) {
  for (const PublishedValue& value : published_values()) {
    EXPECT_GE(tolerance_in("bf16", value), value.tolerance);
    EXPECT_GE(tolerance_in("int8", value), tolerance_in("bf16", value));
  }
}

// The published numbers agree with each other, as far as they follow from each other: no digit is mistyped.
TEST(PublishedValues, AgreeWithEachOther) {
  const auto value = [](Quantity quantity, size_t a, size_t b, bool first = true) {
    double found = std::nan("");
    for (const PublishedValue& one : published_values()) {  // the last one has four digits as the sums do
      if (one.quantity == quantity && one.a == a && one.b == b && one.first_weighting == first) found = one.value;
    }
    return found;
  };
  const auto weights = [](size_t text) {
    std::pair<std::vector<uint32_t>, std::vector<float>> sparse;
    for (const PublishedValue& one : published_values()) {
      if (one.quantity != Quantity::weight || one.a != text) continue;
      sparse.first.push_back(one.index);
      sparse.second.push_back(static_cast<float>(one.value));
    }
    return sparse;
  };
  const auto q0 = weights(0), q1 = weights(1), p0 = weights(2);
  EXPECT_NEAR(lexical_matching_score({q0.first, q0.second}, {p0.first, p0.second}), 0.19554448500275612, 1e-6);
  EXPECT_EQ(lexical_matching_score({q0.first, q0.second}, {q1.first, q1.second}), 0);
  for (const size_t query : {0, 1}) {
    for (const size_t passage : {2, 3}) {
      const double dense = value(Quantity::similarity, query, passage),
                   sparse = value(Quantity::lexical, query, passage),
                   colbert = value(Quantity::colbert, query, passage);
      EXPECT_NEAR(value(Quantity::sparse_dense, query, passage), (0.2 * sparse + 0.4 * dense) / 0.6, 3e-4);
      EXPECT_NEAR(value(Quantity::all_three, query, passage), 0.4 * colbert + 0.2 * sparse + 0.4 * dense, 3e-4);
      EXPECT_NEAR(value(Quantity::all_three, query, passage, false), (colbert + 0.3 * sparse + dense) / 2.3, 3e-4);
    }
  }
}

// The measurement against the definitions, on a random model whose numbers nobody published.
TEST_F(EmbedderTest, PublishedQuantitiesAreMeasured) {
  const Embedder embedder = open();
  const EmbedResult outputs = embedder.embed(published_texts(), {.outputs = kAll});
  const std::vector<double> found = measure_published_values(outputs);
  const auto& values = published_values();
  ASSERT_EQ(found.size(), values.size());
  size_t weights = 0;
  for (size_t i = 0; i < values.size(); i++) {
    const PublishedValue& value = values[i];
    const Embedding &a = outputs[value.a], &b = outputs[value.b];
    switch (value.quantity) {
      case Quantity::similarity: {
        double sum = 0;
        for (size_t d = 0; d < outputs.dimensions(); d++) sum += double{a.dense[d]} * double{b.dense[d]};
        EXPECT_EQ(found[i], sum);
        break;
      }
      case Quantity::component:
        if (value.index < 3) {
          EXPECT_EQ(found[i], a.dense[value.index]);
        } else {
          EXPECT_TRUE(std::isnan(found[i]));  // this model has 32 dimensions
        }
        break;
      case Quantity::lexical:
        EXPECT_EQ(found[i], lexical_matching_score({a.sparse_ids, a.sparse_weights}, {b.sparse_ids, b.sparse_weights}));
        break;
      case Quantity::colbert:
        EXPECT_EQ(found[i], max_sim({a.multi, 32}, {b.multi, 32}));
        break;
      case Quantity::weight: {
        double expected = 0;
        for (size_t k = 0; k < a.sparse_ids.size(); k++) {
          if (a.sparse_ids[k] == value.index) expected = a.sparse_weights[k];
        }
        EXPECT_EQ(found[i], expected);
        break;
      }
      case Quantity::other_weights:
        EXPECT_GE(found[i], 0);
        break;
      case Quantity::weights:
        for (size_t text = value.a; text <= value.b; text++) weights += outputs[text].sparse_ids.size();
        EXPECT_EQ(found[i], static_cast<double>(weights));
        weights = 0;
        break;
      case Quantity::sparse_dense:
      case Quantity::all_three:
        EXPECT_TRUE(std::isfinite(found[i]));
        break;
    }
  }
}

}  // namespace
}  // namespace bgem3
