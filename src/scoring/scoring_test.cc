#include "bgem3/scoring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "scoring/test_errors.h"

namespace bgem3 {
namespace {

struct Weights {
  std::vector<uint32_t> ids;
  std::vector<float> weights;

  LexicalWeights view() const { return {ids, weights}; }
  void add(uint32_t id, float weight) {
    ids.push_back(id);
    weights.push_back(weight);
  }
  Weights reversed() const { return {{ids.rbegin(), ids.rend()}, {weights.rbegin(), weights.rend()}}; }
};

// What FlagEmbedding gives for "What is BGE M3?" and for the sentence that answers it (use_fp16=False, CPU), and its
// score of the two.
const Weights kQuestion = {{4865, 83, 335, 11679, 276, 363, 32},
                           {.08362077921628952f, .08146960288286209f, .12964636087417603f, .25186991691589355f,
                            .17001725733280182f, .2695789337158203f, .04075505584478378f}};
const Weights kAnswer = {
    {335, 11679, 276,   363,  83,    142,   55720, 59725, 3299, 8060, 214,   168,
     184, 456,   97351, 1405, 75675, 21533, 14858, 136,   6024, 272,  18770, 182809},
    {.1409415900707245f,  .2586537301540375f,  .17205125093460083f, .26893457770347595f, .12733829021453857f,
     .07353945076465607f, .2141493856906891f,  .1670493185520172f,  .2549949586391449f,  .19095265865325928f,
     .0827629342675209f,  .1812191754579544f,  .12127389013767242f, .05708066001534462f, .15733711421489716f,
     .06340542435646057f, .15143121778964996f, .10568178445100784f, .15083131194114685f, .015894487500190735f,
     .08422461152076721f, .14546239376068115f, .1401771903038025f,  .15259897708892822f}};

TEST(LexicalMatching, EqualsFlagEmbedding) {
  EXPECT_NEAR(lexical_matching_score(kQuestion.view(), kAnswer.view()), 0.19554448500275612, 1e-6);
}

Weights random_weights(size_t count, uint32_t vocabulary, std::mt19937& generator) {
  std::map<uint32_t, float> weights;
  std::uniform_int_distribution<uint32_t> id(0, vocabulary - 1);
  std::uniform_real_distribution<float> weight(0, 1);
  while (weights.size() < count) weights[id(generator)] = weight(generator);
  Weights result;
  for (const auto& [key, value] : weights) result.add(key, value);
  return result;
}

TEST(LexicalMatching, IsTheSumInAscendingOrderOfTheIdsWhateverTheirOrder) {
  std::mt19937 generator(1);
  for (int i = 0; i < 200; i++) {
    const Weights query = random_weights(1 + i % 40, 100, generator),
                  passage = random_weights(1 + i / 3, 100, generator);
    double expected = 0;
    for (size_t q = 0; q < query.ids.size(); q++) {
      const auto found = std::find(passage.ids.begin(), passage.ids.end(), query.ids[q]);
      if (found != passage.ids.end()) {
        expected += double{query.weights[q]} * passage.weights[static_cast<size_t>(found - passage.ids.begin())];
      }
    }
    const float score = lexical_matching_score(query.view(), passage.view());
    EXPECT_EQ(score, static_cast<float>(expected));
    EXPECT_EQ(score, lexical_matching_score(passage.view(), query.view()));
    EXPECT_EQ(score, lexical_matching_score(query.reversed().view(), passage.reversed().view()));
  }
}

TEST(LexicalMatching, OfManyPassagesEqualsEachAlone) {
  std::mt19937 generator(2);
  const Weights query = random_weights(30, 200, generator);
  Weights all;
  std::vector<size_t> starts = {0};
  std::vector<float> expected;
  for (size_t i = 0; i < 50; i++) {
    const Weights passage = random_weights(i % 7 * 10, 200, generator);  // some are empty
    all.ids.insert(all.ids.end(), passage.ids.begin(), passage.ids.end());
    all.weights.insert(all.weights.end(), passage.weights.begin(), passage.weights.end());
    starts.push_back(all.ids.size());
    expected.push_back(lexical_matching_score(query.view(), passage.view()));
  }
  EXPECT_EQ(lexical_matching_scores(query.view(), {starts, all.ids, all.weights}), expected);
}

TEST(LexicalMatching, NothingInCommonIsZero) {
  const Weights none, one = {{7}, {0.5f}}, other = {{8}, {0.5f}}, largest = {{UINT32_MAX, 0}, {1, 1}};
  EXPECT_EQ(lexical_matching_score(none.view(), one.view()), 0);
  EXPECT_EQ(lexical_matching_score(one.view(), none.view()), 0);
  EXPECT_EQ(lexical_matching_score(one.view(), other.view()), 0);
  EXPECT_EQ(lexical_matching_score(largest.view(), largest.view()), 2);
  EXPECT_TRUE(lexical_matching_scores(one.view(), {std::vector<size_t>{0}, {}, {}}).empty());
}

TEST(LexicalMatching, RefusesWhatContradictsItself) {
  const Weights one = {{7}, {0.5f}}, twice = {{7, 3, 7}, {1, 1, 1}}, uneven = {{7, 3}, {1}};
  EXPECT_TRUE(is_refused([&] { lexical_matching_score(twice.view(), one.view()); }, "query: id 7 occurs twice"));
  EXPECT_TRUE(is_refused([&] { lexical_matching_score(one.view(), twice.view()); }, "passage: id 7 occurs twice"));
  EXPECT_TRUE(is_refused([&] { lexical_matching_score(uneven.view(), one.view()); }, "query: 2 ids, but 1 weights"));
  EXPECT_TRUE(is_refused([&] { lexical_matching_score(one.view(), uneven.view()); }, "passage: 2 ids, but 1 weights"));
  const auto scores = [&](std::vector<size_t> starts) {
    return [&, starts] { lexical_matching_scores(one.view(), {starts, twice.ids, twice.weights}); };
  };
  EXPECT_TRUE(is_refused(scores({0, 1, 3, 2, 3}), "passage 2 starts at 3 and ends at 2"));
  EXPECT_TRUE(is_refused(scores({0, 1}), "expected from 0 to 3, the number of ids"));
  EXPECT_TRUE(is_refused(scores({1, 3}), "expected from 0 to 3"));
  EXPECT_TRUE(is_refused(scores({}), "expected from 0 to 3"));
  EXPECT_TRUE(is_refused(scores({0, 0, 3}), "passage 1: id 7 occurs twice"));
}

TEST(HybridScores, EqualFlagEmbedding) {
  // "What is BGE M3?" and its answer, weights [0.4, 0.2, 0.4], as FlagEmbedding publishes them (fp16).
  const HybridScores scores = hybrid_scores(.62598f, .19556f, .77965f, {.dense = .4, .sparse = .2, .colbert = .4});
  EXPECT_NEAR(scores.sparse_dense, .48250, 1e-5);
  EXPECT_NEAR(scores.colbert_sparse_dense, .60136, 1e-5);
  const HybridScores equal = hybrid_scores(0.25f, 0.5f, 0.75f);
  EXPECT_EQ(equal.sparse_dense, 0.375f);
  EXPECT_EQ(equal.colbert_sparse_dense, 0.5f);
}

TEST(HybridScores, NeedWeightsWithASum) {
  const HybridScores scores = hybrid_scores(0.25f, 0.5f, 0.75f, {.dense = 0, .sparse = 0, .colbert = 2});
  EXPECT_TRUE(std::isnan(scores.sparse_dense));
  EXPECT_EQ(scores.colbert_sparse_dense, 0.75f);
  EXPECT_TRUE(is_refused([] { hybrid_scores(1, 1, 1, {.dense = 1, .sparse = 1, .colbert = -2}); }, "their sum is 0"));
  const double infinite = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(is_refused([=] { hybrid_scores(1, 1, 1, {.dense = infinite}); }, "weights dense inf"));
}

}  // namespace
}  // namespace bgem3
