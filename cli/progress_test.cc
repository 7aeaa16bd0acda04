#include "progress.h"

#include <gtest/gtest.h>

namespace bgem3::cli {
namespace {

TEST(Progress, Counts) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1234567), "1,234,567");
}

TEST(Progress, Plurals) {
  EXPECT_EQ(plural(0, "text"), "0 texts");
  EXPECT_EQ(plural(1, "text"), "1 text");
  EXPECT_EQ(plural(1234, "text"), "1,234 texts");
}

TEST(Progress, Durations) {
  EXPECT_EQ(format_duration(0), "0:00");
  EXPECT_EQ(format_duration(59.6), "1:00");
  EXPECT_EQ(format_duration(61), "1:01");
  EXPECT_EQ(format_duration(3723), "1:02:03");
}

TEST(Progress, SaysWhatIsKnown) {
  EXPECT_EQ(describe_progress({}), "0 texts");
  EXPECT_EQ(describe_progress({.texts = 1234, .tokens = 5000, .bytes = 10, .bytes_total = {}, .seconds = 10}),
            "1,234 texts, 123/s, 500 tokens/s");
  EXPECT_EQ(describe_progress({.texts = 50, .tokens = 5000, .bytes = 25, .bytes_total = 100, .seconds = 10}),
            "50 texts, 5.0/s, 500 tokens/s, 25 %, 0:30 left");
  // An input that grew while it was read.
  EXPECT_EQ(describe_progress({.texts = 50, .tokens = 5000, .bytes = 200, .bytes_total = 100, .seconds = 10}),
            "50 texts, 5.0/s, 500 tokens/s, 100 %, 0:00 left");
}

TEST(Progress, BarFitsTheTerminal) {
  const ProgressState state{.texts = 50, .tokens = 5000, .bytes = 25, .bytes_total = 100, .seconds = 10};
  EXPECT_EQ(progress_bar(state, 200), "[#####---------------] 50 texts, 5.0/s, 500 tokens/s, 25 %, 0:30 left");
  EXPECT_EQ(progress_bar(state, 30).size(), 30u);
  EXPECT_EQ(progress_bar({}, 80), "0 texts");
}

}  // namespace
}  // namespace bgem3::cli
