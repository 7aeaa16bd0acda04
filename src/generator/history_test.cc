#include "generator/history.h"

#include <gtest/gtest.h>

#include <thread>

#include "model/test_files.h"

namespace bgem3 {
namespace {

HistoryRow row(double rate, const std::string& dtype = "float32") {
  return {.time = 1.5e9,
          .model_version = "m",
          .dtype = dtype,
          .texts = 3,
          .tokens = 40,
          .seconds = 0.5,
          .tokens_per_second = rate,
          .mean_quality = 0.75,
          .failures = 1,
          .peak_memory_gb = 1.25};
}

class HistoryTest : public testing::Test {
 protected:
  const TemporaryFolder folder_;
  const std::string path_ = folder_.path("history.db");
};

TEST_F(HistoryTest, KeepsRowsInTheirOrder) {
  {
    HistoryWriter writer(path_);
    for (int i = 1; i <= 5; i++) EXPECT_EQ(writer.add(row(i)), "");
  }
  EXPECT_EQ(HistoryWriter(path_).add(row(6, "int8")), "");
  const std::vector<HistoryRow> rows = read_history(path_);
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[0].tokens_per_second, 1);
  EXPECT_EQ(rows[5].dtype, "int8");
  EXPECT_EQ(rows[5].time, 1.5e9);
  EXPECT_EQ(rows[5].model_version, "m");
  EXPECT_EQ(rows[5].texts, 3u);
  EXPECT_EQ(rows[5].tokens, 40u);
  EXPECT_EQ(rows[5].seconds, 0.5);
  EXPECT_EQ(rows[5].mean_quality, 0.75);
  EXPECT_EQ(rows[5].failures, 1u);
  EXPECT_EQ(rows[5].peak_memory_gb, 1.25);
  EXPECT_EQ(read_history(path_, 2).size(), 2u);
  EXPECT_EQ(read_history(path_, 2)[0].tokens_per_second, 5);
}

TEST_F(HistoryTest, ThreadsAndReadersShareIt) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; t++) {
    threads.emplace_back([&] {
      HistoryWriter writer(path_);
      for (int i = 0; i < 10; i++) {
        EXPECT_EQ(writer.add(row(i)), "");
        EXPECT_FALSE(read_history(path_).empty());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(read_history(path_).size(), 30u);
}

TEST_F(HistoryTest, BadFilesAreErrorsOrSetAside) {
  EXPECT_EQ(caught([&] { read_history(path_); }).code, ErrorCode::not_found);
  folder_.write("history.db", std::string(1000, 'x'));
  EXPECT_EQ(caught([&] { read_history(path_); }).code, ErrorCode::corrupt);
  HistoryWriter writer(path_);
  EXPECT_EQ(writer.set_aside(), path_ + ".damaged-1");
  EXPECT_EQ(writer.add(row(1)), "");
  EXPECT_EQ(read_history(path_).size(), 1u);
}

TEST(HistoryTrendTest, ComparesTheLatestWithTheMedianOfItsKind) {
  EXPECT_FALSE(compare_latest({}));
  EXPECT_FALSE(compare_latest(std::vector<HistoryRow>{row(1)}));
  EXPECT_FALSE(compare_latest(std::vector<HistoryRow>{row(1), row(1, "int8")}));
  HistoryRow cached = row(0);
  cached.tokens = 0;
  const auto trend =
      compare_latest(std::vector<HistoryRow>{row(10), row(999, "int8"), row(30), cached, row(20), row(40), row(50)});
  ASSERT_TRUE(trend);
  EXPECT_EQ(trend->calls_before, 5u);
  EXPECT_EQ(trend->tokens_per_second.latest, 50);
  EXPECT_EQ(trend->tokens_per_second.median_before, 25);
  EXPECT_EQ(trend->tokens_per_second.ratio, 2);
  EXPECT_EQ(trend->mean_quality.ratio, 1);
}

}  // namespace
}  // namespace bgem3
