#include "encoder/heads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace bgem3 {
namespace {

class HeadsTest : public testing::Test {
 protected:
  HeadsTest() : hidden_(5, 4) {
    batch_.add(std::vector<uint32_t>{0, 1});
    batch_.add(std::vector<uint32_t>{0, 1, 2});
    for (size_t i = 0; i < 5; i++) {
      for (size_t j = 0; j < 4; j++) hidden_.rows(5).row(i)[j] = static_cast<float>(10 * i + j);
    }
  }
  Matrix<float> run(Pooling pooling, bool normalize, size_t dimensions) {
    Matrix<float> out(2, dimensions);
    View<float> hidden = hidden_.rows(5);
    if (pooling == Pooling::cls) {  // a pass for this answers the first row of each text: rows 0 and 2
      hidden = hidden_.rows(2);
      std::copy_n(hidden_.rows(5).row(2), 4, hidden.row(1));
    }
    dense_head(hidden, batch_, pooling, normalize, ops_for("auto"), out.rows(2));
    return out;
  }
  Matrix<float> hidden_;
  Batch batch_;
};

TEST_F(HeadsTest, ClsIsTheFirstTokensRow) {
  Matrix<float> out = run(Pooling::cls, false, 4);
  EXPECT_EQ(out.rows(2).row(0)[3], 3.0f);
  EXPECT_EQ(out.rows(2).row(1)[3], 23.0f);
}

TEST_F(HeadsTest, MeanIsOverAllTokensOfTheText) {
  Matrix<float> out = run(Pooling::mean, false, 4);
  EXPECT_EQ(out.rows(2).row(0)[0], 5.0f);
  EXPECT_EQ(out.rows(2).row(1)[1], 31.0f);
}

TEST_F(HeadsTest, CutsBeforeItNormalises) {
  Matrix<float> out = run(Pooling::cls, true, 2);
  const float* row = out.rows(2).row(1);  // 20, 21
  EXPECT_FLOAT_EQ(row[0], static_cast<float>(20 / std::sqrt(841.0)));
  EXPECT_FLOAT_EQ(row[1], static_cast<float>(21 / std::sqrt(841.0)));
}

TEST_F(HeadsTest, ClsOfAllRowsIsTheSame) {
  Matrix<float> out(2, 4);
  dense_head(hidden_.rows(5), batch_, Pooling::cls, false, ops_for("auto"), out.rows(2));
  EXPECT_EQ(out.rows(2).row(0)[3], 3.0f);
  EXPECT_EQ(out.rows(2).row(1)[3], 23.0f);
}

std::vector<std::pair<uint32_t, float>> sparse(const std::vector<uint32_t>& ids, const std::vector<float>& weights) {
  std::vector<uint32_t> out_ids(ids.size());
  std::vector<float> out_weights(ids.size());
  const std::vector<uint32_t> dropped = {0, 2, 1, 3};
  std::vector<std::pair<uint32_t, float>> out;
  const size_t count = sparse_head(ids, weights, dropped, out_ids, out_weights);
  for (size_t i = 0; i < count; i++) out.emplace_back(out_ids[i], out_weights[i]);
  return out;
}

TEST(SparseHead, KeepsTheLargestWeightAtTheFirstPlace) {
  using Pairs = std::vector<std::pair<uint32_t, float>>;
  EXPECT_EQ(sparse({0, 7, 9, 7, 7, 2}, {5, 0.25f, 1, 0.5f, 0.125f, 5}), (Pairs{{7, 0.5f}, {9, 1}}));
  // An id's place is that of its first weight above 0; ids that are dropped never count.
  EXPECT_EQ(sparse({7, 9, 7, 6}, {-1, 1, 0.5f, 0}), (Pairs{{9, 1}, {7, 0.5f}}));
  EXPECT_EQ(sparse({0, 1, 3, 250001, 2}, {1, 1, 1, 1, 1}), (Pairs{{250001, 1}}));
  EXPECT_EQ(sparse({0, 2}, {1, 1}), Pairs());
}

TEST_F(HeadsTest, MultiVectorsLeaveOutTheFirstToken) {
  std::vector<float> first(1 * 3), second(2 * 3);
  const std::vector<float*> out = {first.data(), second.data()};
  Team alone;
  const View<float> vectors = hidden_.rows(5).columns_at(0, 3);
  multi_head(vectors, batch_, false, ops_for("auto"), alone, out);
  EXPECT_EQ(first, (std::vector<float>{10, 11, 12}));
  EXPECT_EQ(second, (std::vector<float>{30, 31, 32, 40, 41, 42}));
  multi_head(vectors, batch_, true, ops_for("auto"), alone, out);
  EXPECT_FLOAT_EQ(first[2], static_cast<float>(12 / std::sqrt(365.0)));
  EXPECT_FLOAT_EQ(second[3], static_cast<float>(40 / std::sqrt(5045.0)));
}

}  // namespace
}  // namespace bgem3
