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

TEST(Progress, Bytes) {
  EXPECT_EQ(format_bytes(1), "1 byte");
  EXPECT_EQ(format_bytes(9999), "9,999 bytes");
  EXPECT_EQ(format_bytes(2'100'674), "2101 kB");
  EXPECT_EQ(format_bytes(17'098'108), "17.1 MB");
  EXPECT_EQ(format_bytes(2'271'145'830), "2.27 GB");
}

TEST(Progress, OfADownload) {
  PullProgress state{.bytes_done = 0, .bytes_total = 2'000'000'000, .bytes_transferred = 0, .seconds = 0};
  EXPECT_EQ(describe_download(state), "0 bytes of 2.00 GB, 0 %");
  // What was there already does not count as speed.
  state = {.bytes_done = 1'500'000'000, .bytes_total = 2'000'000'000, .bytes_transferred = 500'000'000, .seconds = 10};
  EXPECT_EQ(describe_download(state), "1.50 GB of 2.00 GB, 75 %, 50.0 MB/s, 0:10 left");
  EXPECT_EQ(download_bar(state, 200), "[###############-----] 1.50 GB of 2.00 GB, 75 %, 50.0 MB/s, 0:10 left");
  EXPECT_EQ(download_bar(state, 10).size(), 10u);
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
