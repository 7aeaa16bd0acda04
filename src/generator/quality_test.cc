#include "generator/quality.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace bgem3 {
namespace {

constexpr std::string_view kText = "a text of ordinary length";
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Random directions of length `norm`, the same for the same seed.
std::vector<float> direction(size_t width, unsigned seed, double norm = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(width);
  double squares = 0;
  for (double& value : values) {
    value = normal(generator);
    squares += value * value;
  }
  std::vector<float> vector;
  for (const double value : values) vector.push_back(static_cast<float>(value / std::sqrt(squares) * norm));
  return vector;
}

// Vectors with texts of their own, as a set.
class Set {
 public:
  Set& add(std::vector<float> vector, std::string text = "", double score = 1, std::string error = "") {
    if (text.empty()) text = "text " + std::to_string(vectors_.size());
    vectors_.push_back(std::move(vector));
    texts_.push_back(std::move(text));
    errors_.push_back(std::move(error));
    scores_.push_back(score);
    return *this;
  }
  QualityReport report() const {
    std::vector<QualityInput> inputs;
    for (size_t i = 0; i < vectors_.size(); i++) {
      inputs.push_back({.vector = vectors_[i],
                        .text = texts_[i],
                        .quality_score = scores_[i],
                        .processing_time_ms = static_cast<double>(i + 1),
                        .error = errors_[i]});
    }
    return assess(inputs);
  }

 private:
  std::vector<std::vector<float>> vectors_;
  std::vector<std::string> texts_, errors_;
  std::vector<double> scores_;
};

std::vector<const QualityIssue*> issues_of(const QualityReport& report, std::string_view kind) {
  std::vector<const QualityIssue*> found;
  for (const QualityIssue& issue : report.issues) {
    if (issue.kind == kind) found.push_back(&issue);
  }
  return found;
}

TEST(Score, OfAnOrdinaryVectorIsOneInEveryWidth) {
  for (const size_t width : {16, 32, 384, 1024, 4096}) {
    EXPECT_EQ(score_vector(direction(width, 1), kText), 1) << width;
  }
}

TEST(Score, IsZeroForWhatIsNoVector) {
  EXPECT_EQ(score_vector({}, kText), 0);
  EXPECT_EQ(score_vector(std::vector<float>(1024), kText), 0);
  for (const float value : {kNan, kInfinity, -kInfinity}) {
    std::vector<float> vector = direction(1024, 1);
    vector[1023] = value;
    EXPECT_EQ(score_vector(vector, kText), 0) << value;
  }
  EXPECT_EQ(score_vector(std::vector<float>(8, std::numeric_limits<float>::denorm_min()), kText) > 0, true);
}

// Each rule alone, just inside and just outside its bound.
TEST(Score, EachRuleLowersIt) {
  const auto small = direction(1024, 1, 0.099), large = direction(1024, 1, 0.101);
  EXPECT_LT(score_vector(small, kText), score_vector(large, kText));  // both deviate little
  EXPECT_EQ(score_vector(large, kText), 0.5);
  EXPECT_EQ(score_vector(std::vector<float>(1024, 1.0f / 32), kText), 0.5);  // length one, no deviation
  EXPECT_EQ(score_vector(std::vector<float>(16, 1.0f / 4), kText), 0.5);     // the bound follows the width
  EXPECT_EQ(score_vector(direction(16, 1), "123456789"), 0.9);
  EXPECT_EQ(score_vector(direction(16, 1), "1234567890"), 1);
  EXPECT_EQ(score_vector(direction(16, 1), "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"), 0.9);  // five characters
  EXPECT_EQ(score_vector(direction(16, 1), std::string(10000, 'a')), 1);
  EXPECT_EQ(score_vector(direction(16, 1), std::string(10001, 'a')), 0.9);
}

TEST(Report, OfNothingIsTheSpecifiedOne) {
  const QualityReport report = assess({});
  EXPECT_EQ(report.total_embeddings, 0u);
  EXPECT_EQ(report.avg_quality_score, 0);
  EXPECT_FALSE(report.dimension_consistency);
  EXPECT_FALSE(report.normalization_status);
  EXPECT_EQ(report.outlier_count, 0u);
  EXPECT_EQ(report.processing_issues, std::vector<std::string>{"No embeddings provided"});
  EXPECT_EQ(report.performance_metrics.total_processing_time_s, 0);
}

TEST(Report, OfASoundSetHasNoIssues) {
  Set set;
  for (unsigned i = 0; i < 40; i++) set.add(direction(64, i), "", i % 2 ? 1 : 0.9);
  const QualityReport report = set.report();
  EXPECT_EQ(report.total_embeddings, 40u);
  EXPECT_NEAR(report.avg_quality_score, 0.95, 1e-12);
  EXPECT_TRUE(report.dimension_consistency);
  EXPECT_TRUE(report.normalization_status);
  EXPECT_EQ(report.outlier_count, 0u);
  EXPECT_TRUE(report.processing_issues.empty()) << report.processing_issues.front();
  EXPECT_DOUBLE_EQ(report.performance_metrics.avg_processing_time_ms, 20.5);
  EXPECT_DOUBLE_EQ(report.performance_metrics.median_processing_time_ms, 20.5);
  EXPECT_DOUBLE_EQ(report.performance_metrics.max_processing_time_ms, 40);
  EXPECT_DOUBLE_EQ(report.performance_metrics.total_processing_time_s, 0.82);
}

TEST(Report, OneVectorIsASet) {
  const QualityReport report = Set().add(direction(8, 1)).report();
  EXPECT_TRUE(report.issues.empty());
  EXPECT_EQ(report.performance_metrics.median_processing_time_ms, 1);
}

TEST(Report, ListsWhatIsNotFiniteAndCountsItAsOutlier) {
  std::vector<float> nan = direction(64, 1), infinite = direction(64, 2);
  nan[3] = kNan;
  infinite[63] = -kInfinity;
  const QualityReport report = Set().add(direction(64, 3)).add(nan).add(infinite).report();
  const auto found = issues_of(report, "not_finite");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0]->index, 1u);
  EXPECT_TRUE(std::isnan(found[0]->value));
  EXPECT_NE(found[0]->message.find("component 3"), std::string::npos) << found[0]->message;
  EXPECT_EQ(found[1]->index, 2u);
  EXPECT_EQ(report.outlier_count, 2u);
  EXPECT_FALSE(report.normalization_status);
  EXPECT_TRUE(report.dimension_consistency);
}

TEST(Report, MixedWidthsAreListedAndHarmNothing) {
  Set set;
  set.add(direction(32, 1)).add(direction(64, 2)).add({}).add(direction(64, 3)).add(direction(1, 4));
  for (unsigned i = 0; i < 20; i++) set.add(direction(64, 10 + i));
  const QualityReport report = set.report();
  EXPECT_FALSE(report.dimension_consistency);
  const auto found = issues_of(report, "dimension");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0]->index, 0u);
  EXPECT_EQ(found[0]->value, 32);
  EXPECT_EQ(found[1]->index, 2u);
  EXPECT_EQ(found[2]->index, 4u);
  EXPECT_TRUE(issues_of(report, "far_from_centroid").empty());
}

TEST(Report, OnlyEmptyVectorsAreZero) {
  const QualityReport report = Set().add({}).add({}).report();
  EXPECT_EQ(issues_of(report, "zero").size(), 2u);
  EXPECT_TRUE(report.dimension_consistency);
}

TEST(Report, ListsZeroAndFailedVectorsAndLengths) {
  const QualityReport report = Set()
                                   .add(std::vector<float>(8))
                                   .add(std::vector<float>(8), "", 0, "not UTF-8")
                                   .add(direction(8, 1, 2))
                                   .add(direction(8, 2, 1.0005))
                                   .report();
  ASSERT_EQ(issues_of(report, "zero").size(), 1u);
  EXPECT_EQ(issues_of(report, "zero")[0]->index, 0u);
  ASSERT_EQ(issues_of(report, "failed").size(), 1u);
  EXPECT_EQ(issues_of(report, "failed")[0]->message, "embedding 1: failed: not UTF-8");
  ASSERT_EQ(issues_of(report, "not_normalized").size(), 1u);
  EXPECT_EQ(issues_of(report, "not_normalized")[0]->index, 2u);
  EXPECT_NEAR(issues_of(report, "not_normalized")[0]->value, 2, 1e-6);
  EXPECT_FALSE(report.normalization_status);
  EXPECT_EQ(report.issues.size(), report.processing_issues.size());
}

TEST(Report, EqualVectorsOfDifferentTextsAreDuplicates) {
  const std::vector<float> same = direction(64, 1);
  const QualityReport report = Set()
                                   .add(same, "one")
                                   .add(direction(64, 2), "two")
                                   .add(same, "one")
                                   .add(same, "three")
                                   .add(std::vector<float>(64), "four")
                                   .add(std::vector<float>(64), "five")
                                   .report();
  const auto found = issues_of(report, "duplicate");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0]->index, 3u);
  EXPECT_EQ(found[0]->value, 0);
}

TEST(Report, ASetOfNearlyEqualVectorsIsNamed) {
  Set near, spread;
  for (unsigned i = 0; i < 5; i++) {
    std::vector<float> vector = direction(64, 1);
    const std::vector<float> other = direction(64, 2 + i, 0.01);
    for (size_t c = 0; c < vector.size(); c++) vector[c] += other[c];
    near.add(vector);
    spread.add(direction(64, 2 + i));
  }
  const auto found = issues_of(near.report(), "near_constant");
  ASSERT_EQ(issues_of(near.report(), "near_constant").size(), 1u);
  EXPECT_TRUE(issues_of(spread.report(), "near_constant").empty());
  const QualityReport report = near.report();
  EXPECT_FALSE(issues_of(report, "near_constant")[0]->index.has_value());
  EXPECT_GT(issues_of(report, "near_constant")[0]->value, 0.9995);
  // The same text many times is no finding.
  EXPECT_TRUE(Set().add(direction(8, 1), "a").add(direction(8, 1), "a").report().issues.empty());
}

// A bundle around one direction, and one vector that points the other way.
TEST(Report, TheOneFarFromTheCentroidIsListed) {
  Set set;
  const std::vector<float> middle = direction(64, 1);
  for (unsigned i = 0; i < 30; i++) {
    std::vector<float> vector = direction(64, 100 + i);
    double squares = 0;
    for (size_t c = 0; c < vector.size(); c++) {
      vector[c] += (i == 17 ? -2 : 2) * middle[c];
      squares += double{vector[c]} * vector[c];
    }
    for (float& value : vector) value = static_cast<float>(value / std::sqrt(squares));
    set.add(vector);
  }
  const QualityReport report = set.report();
  const auto found = issues_of(report, "far_from_centroid");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0]->index, 17u);
  EXPECT_GT(found[0]->value, 1);
  EXPECT_EQ(report.outlier_count, 1u);
}

TEST(Report, LowScoresAreListed) {
  const QualityReport report = Set().add(direction(8, 1), "", 0.8).add(direction(8, 2), "", 0.79).report();
  const auto found = issues_of(report, "low_quality");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0]->index, 1u);
  EXPECT_EQ(found[0]->value, 0.79);
}

}  // namespace
}  // namespace bgem3
