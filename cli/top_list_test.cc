#include "top_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace bgem3::cli {
namespace {

TEST(TopList, EqualsSortingEverything) {
  std::mt19937 random(3);
  for (size_t limit : {size_t{1}, size_t{3}, size_t{10}, size_t{1000}}) {
    TopList list(limit);
    std::vector<std::pair<double, size_t>> all;
    for (size_t row = 0; row < 200; ++row) {
      const double score = static_cast<double>(random() % 20);  // many equal ones
      all.emplace_back(-score, row);
      list.add({score, row, "", ""});
    }
    std::sort(all.begin(), all.end());
    const auto hits = list.take();
    ASSERT_EQ(hits.size(), std::min<size_t>(limit, 200));
    for (size_t i = 0; i < hits.size(); ++i) {
      EXPECT_EQ(hits[i].score, -all[i].first);
      EXPECT_EQ(hits[i].row, all[i].second);
    }
  }
}

TEST(TopList, SaysWhatItWants) {
  TopList list(1);
  EXPECT_TRUE(list.wants(-5, 9));
  list.add({1, 4, "", ""});
  EXPECT_TRUE(list.wants(2, 9));
  EXPECT_TRUE(list.wants(1, 3));
  EXPECT_FALSE(list.wants(1, 5));
  EXPECT_FALSE(list.wants(0, 0));
}

TEST(Cosine, OfVectors) {
  const float a[] = {1, 0}, b[] = {0, 2}, c[] = {3, 3}, zero[] = {0, 0};
  EXPECT_EQ(cosine(a, b), 0);
  EXPECT_NEAR(cosine(a, c), 0.7071067811865475, 1e-15);
  EXPECT_NEAR(cosine(c, c), 1, 1e-15);
  EXPECT_EQ(cosine(a, zero), 0);
}

}  // namespace
}  // namespace bgem3::cli
