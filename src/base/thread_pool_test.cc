#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace bgem3 {
namespace {

TEST(ThreadPool, RunsEveryIndexOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const int count : {0, 1, 2, 7, 1000}) {
      std::vector<int> runs(count, 0);
      pool.parallel_for(count, [&](int index, int thread) {
        EXPECT_TRUE(thread >= 0 && thread < threads);
        runs[index]++;
      });
      EXPECT_EQ(runs, std::vector<int>(count, 1));
    }
  }
}

TEST(ThreadPool, ManyShortLoopsInARow) {
  ThreadPool pool(4);
  std::atomic<int> sum = 0;
  for (int i = 0; i < 2000; i++) pool.parallel_for(3, [&](int index, int) { sum += index; });
  EXPECT_EQ(sum, 2000 * 3);
}

TEST(ThreadPool, WakesUpAfterSleep) {
  ThreadPool pool(2);
  for (int i = 0; i < 3; i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> runs = 0;
    pool.parallel_for(10, [&](int, int) { runs++; });
    EXPECT_EQ(runs, 10);
  }
}

TEST(ThreadPool, HandsOnAnExceptionAndGoesOn) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.parallel_for(100,
                                 [](int index, int) {
                                   if (index == 17) throw std::runtime_error("17");
                                 }),
               std::runtime_error);
  std::atomic<int> runs = 0;
  pool.parallel_for(100, [&](int, int) { runs++; });
  EXPECT_EQ(runs, 100);
}

}  // namespace
}  // namespace bgem3
