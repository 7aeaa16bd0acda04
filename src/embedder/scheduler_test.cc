#include "embedder/scheduler.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace bgem3 {
namespace {

using Passes = std::vector<Pass>;
constexpr JobKind solo = JobKind::solo, all = JobKind::all, urgent = JobKind::urgent;
constexpr PassLimits kTwoThreads = {.threads = 2, .solo_tokens = 512, .solo_longest = 1024, .all_tokens = 2048};

TEST(Scheduler, AShortRequestIsOneUrgentPass) {
  const std::vector<size_t> tokens = {3, 100, 25};
  EXPECT_EQ(schedule(tokens, kTwoThreads, Part::whole), (Passes{{urgent, {1, 2, 0}}}));
  const std::vector<size_t> longer = {3, 100, 26};
  EXPECT_EQ(schedule(longer, kTwoThreads, Part::whole), (Passes{{all, {1, 2, 0}}}));
}

TEST(Scheduler, NoThreadIsLeftWithoutWork) {
  const auto passes = [](std::vector<size_t> tokens) { return schedule(tokens, kTwoThreads, Part::whole); };
  EXPECT_EQ(passes({512}), (Passes{{all, {0}}}));
  EXPECT_EQ(passes({512, 512}), (Passes{{solo, {0}}, {solo, {1}}}));
  EXPECT_EQ(passes({512, 512, 512}), (Passes{{all, {0}}, {solo, {1}}, {solo, {2}}}));
  EXPECT_EQ(passes({200, 900, 150}), (Passes{{all, {1}}, {solo, {0}}, {solo, {2}}}));
  EXPECT_EQ(passes({300, 900, 650}), (Passes{{solo, {1}}, {solo, {2}}, {solo, {0}}}));
  EXPECT_EQ(passes({900, 40, 50}), (Passes{{all, {0, 2, 1}}}));
  const std::vector<size_t> three(3, 512);  // more will follow
  EXPECT_EQ(schedule(three, kTwoThreads, Part::middle), (Passes{{solo, {0}}, {solo, {1}}, {solo, {2}}}));
}

TEST(Scheduler, TheRestOfALongRequestIsNotUrgent) {
  const std::vector<size_t> tokens = {10, 20};
  EXPECT_EQ(schedule(tokens, kTwoThreads, Part::last), (Passes{{all, {1, 0}}}));
}

TEST(Scheduler, TooLittleForAPassAThreadIsOnePassOfAll) {
  const std::vector<size_t> tokens(4, 60);
  PassLimits limits = kTwoThreads;
  limits.threads = 4;
  EXPECT_EQ(schedule(tokens, limits, Part::whole), (Passes{{all, {0, 1, 2, 3}}}));
  limits.threads = 3;
  EXPECT_EQ(schedule(tokens, limits, Part::whole), (Passes{{solo, {0}}, {solo, {1}}, {solo, {2}}, {solo, {3}}}));
}

TEST(Scheduler, LongTextsFirstAndByAll) {
  const std::vector<size_t> tokens = {400, 1025, 1024, 8192, 400};
  EXPECT_EQ(schedule(tokens, kTwoThreads, Part::whole),
            (Passes{{all, {3}}, {all, {1}}, {solo, {2}}, {solo, {0}}, {solo, {4}}}));
}

TEST(Scheduler, PassesShrinkTowardsTheEnd) {
  const std::vector<size_t> tokens(100, 32);
  size_t left = 3200, smaller = 0, before = SIZE_MAX;
  for (const Pass& pass : schedule(tokens, kTwoThreads, Part::whole)) {
    const size_t size = 32 * pass.texts.size();
    EXPECT_EQ(pass.kind, solo);
    EXPECT_LE(size, std::max<size_t>(left / 4, 64));
    EXPECT_LE(size, before);
    smaller += size < before;
    before = size;
    left -= size;
  }
  EXPECT_EQ(left, 0u);
  EXPECT_GE(smaller, 4u);
  EXPECT_LE(before, 64u);
  for (const Pass& pass : schedule(std::span(tokens).first(96), kTwoThreads, Part::middle)) {
    EXPECT_EQ(pass.texts.size(), 16u);  // more follows: no pass is small
  }
}

TEST(Scheduler, WithoutSoloPasses) {
  const std::vector<size_t> tokens = {30, 1000, 3000, 40, 1000, 40};
  const PassLimits limits = {.threads = 2, .all_tokens = 2048};
  EXPECT_EQ(schedule(tokens, limits, Part::last), (Passes{{all, {2}}, {all, {1, 4, 3}}, {all, {5, 0}}}));
}

TEST(Scheduler, EveryTextOnceWhateverTheLimits) {
  EXPECT_TRUE(schedule({}, kTwoThreads, Part::whole).empty());
  std::vector<size_t> tokens;
  for (size_t i = 0; i < 200; i++) tokens.push_back(1 + i * 37 % 50);
  for (const size_t budget : {0, 1, 7, 64, 100000}) {
    for (const size_t longest : {1, 20, 1000}) {
      for (const int threads : {1, 2, 100}) {
        for (const Part part : {Part::whole, Part::middle, Part::last}) {
          std::vector<int> seen(tokens.size(), 0);
          for (const Pass& pass : schedule(tokens, {threads, budget, longest, 300}, part)) {
            size_t sum = 0;
            for (const size_t index : pass.texts) {
              seen[index]++;
              sum += tokens[index];
              EXPECT_TRUE(pass.kind == all || tokens[index] <= longest);
            }
            EXPECT_TRUE(pass.texts.size() == 1 || sum <= (pass.kind == solo ? budget : 300));
          }
          EXPECT_EQ(seen, std::vector<int>(tokens.size(), 1));
        }
      }
    }
  }
}

}  // namespace
}  // namespace bgem3
