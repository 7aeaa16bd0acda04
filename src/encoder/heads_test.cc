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

}  // namespace
}  // namespace bgem3
