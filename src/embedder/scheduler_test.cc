#include "embedder/scheduler.h"

#include <gtest/gtest.h>

#include <vector>

namespace bgem3 {
namespace {

using Passes = std::vector<std::vector<size_t>>;

TEST(Scheduler, LongestFirstWithinTheBudget) {
  const std::vector<size_t> tokens = {3, 10, 4, 7, 3};
  EXPECT_EQ(schedule(tokens, 10), (Passes{{1}, {3}, {2, 0, 4}}));
}

TEST(Scheduler, ALongerTextIsAPassOfItsOwn) {
  const std::vector<size_t> tokens = {5, 100, 5};
  EXPECT_EQ(schedule(tokens, 10), (Passes{{1}, {0, 2}}));
}

TEST(Scheduler, LeavesOutFailedTexts) {
  const std::vector<size_t> tokens = {0, 2, 0};
  EXPECT_EQ(schedule(tokens, 10), (Passes{{1}}));
  EXPECT_TRUE(schedule(std::vector<size_t>{0, 0}, 10).empty());
  EXPECT_TRUE(schedule({}, 10).empty());
}

TEST(Scheduler, EveryTextOnceWhateverTheBudget) {
  std::vector<size_t> tokens;
  for (size_t i = 0; i < 200; i++) tokens.push_back(1 + i * 37 % 50);
  for (const size_t budget : {0, 1, 7, 64, 100000}) {
    std::vector<int> seen(tokens.size(), 0);
    for (const auto& pass : schedule(tokens, budget)) {
      size_t sum = 0;
      for (const size_t index : pass) {
        seen[index]++;
        sum += tokens[index];
      }
      EXPECT_TRUE(pass.size() == 1 || sum <= budget);
    }
    EXPECT_EQ(seen, std::vector<int>(tokens.size(), 1));
  }
}

}  // namespace
}  // namespace bgem3
