#include "base/parallel_loop.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>
#include <vector>

namespace bgem3 {
namespace {

const auto nothing = [] {};
const auto always = [] { return true; };

TEST(ParallelLoop, TheLeaderAloneRunsEveryIndexInOrder) {
  ParallelLoop loop;
  for (const size_t count : {0, 1, 5}) {
    std::vector<size_t> indices;
    loop.run(
        count,
        [&](size_t index, int thread) {
          EXPECT_EQ(thread, 7);
          indices.push_back(index);
        },
        7, nothing, nothing);
    ASSERT_EQ(indices.size(), count);
    for (size_t i = 0; i < count; i++) EXPECT_EQ(indices[i], i);
    EXPECT_FALSE(loop.help(1, always));
  }
}

// Helpers that come and go as they like, over many short loops: every index once, and never in a loop that has ended.
TEST(ParallelLoop, HelpersComeAndGo) {
  ParallelLoop loop;
  std::atomic<bool> stop = false;
  std::vector<std::thread> helpers;
  for (int thread = 1; thread <= 3; thread++) {
    helpers.emplace_back([&, thread] {
      int turn = thread;
      while (!stop) loop.help(thread, [&] { return ++turn % 5 != 0; });
    });
  }
  for (int round = 0; round < 3000; round++) {
    const size_t count = static_cast<size_t>(round % 9);
    std::vector<int> runs(count, 0);
    loop.run(
        count, [&](size_t index, int) { runs[index]++; }, 0, nothing, nothing);
    ASSERT_EQ(runs, std::vector<int>(count, 1)) << round;
  }
  stop = true;
  for (std::thread& helper : helpers) helper.join();
}

// The leader waits for an index that a helper holds.
TEST(ParallelLoop, WaitsForHelpers) {
  ParallelLoop loop;
  std::atomic<int> held = 0;
  std::atomic<bool> ended = false;
  std::thread helper([&] {
    while (!loop.help(1, always)) std::this_thread::yield();
  });
  loop.run(
      2,
      [&](size_t, int thread) {
        if (thread == 1) {
          held = 1;
          std::this_thread::sleep_for(std::chrono::milliseconds(20));  // longer than the leader spins
          ended = true;
        } else {
          while (!held) std::this_thread::yield();
        }
      },
      0, nothing, nothing);
  EXPECT_TRUE(ended);
  helper.join();
}

TEST(ParallelLoop, AnExceptionSkipsTheRest) {
  ParallelLoop loop;
  std::atomic<bool> stop = false;
  std::thread helper([&] {
    while (!stop) loop.help(1, always);
  });
  for (int round = 0; round < 500; round++) {
    std::atomic<int> runs = 0;
    EXPECT_THROW(loop.run(
                     1000,
                     [&](size_t index, int) {
                       runs++;
                       if (index >= 3) throw std::runtime_error("3");
                     },
                     0, nothing, nothing),
                 std::runtime_error);
    EXPECT_LE(runs, 5);  // two threads: at most one more index is in progress when the first fails
    loop.run(
        10, [&](size_t, int) { runs++; }, 0, nothing, nothing);
    EXPECT_LE(runs, 15);
    EXPECT_GE(runs, 14);
  }
  stop = true;
  helper.join();
}

}  // namespace
}  // namespace bgem3
