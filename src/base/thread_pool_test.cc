#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

namespace bgem3 {
namespace {

void wait_until(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::yield();
}

TEST(Team, WithoutAPoolIsTheCallingThread) {
  Team team;
  EXPECT_EQ(team.threads(), 1);
  std::vector<size_t> indices;
  team.parallel_for(3, [&](size_t index, int thread) {
    EXPECT_EQ(thread, 0);
    indices.push_back(index);
  });
  EXPECT_EQ(indices, (std::vector<size_t>{0, 1, 2}));
}

TEST(ThreadPool, RunsEveryIndexOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const JobKind kind : {JobKind::solo, JobKind::all, JobKind::urgent}) {
      for (const size_t count : {0, 1, 2, 7, 1000}) {
        std::vector<int> runs(count, 0);
        pool.run(kind, [&](Team& team) {
          EXPECT_EQ(team.threads(), kind == JobKind::solo ? 1 : threads);
          team.parallel_for(count, [&](size_t index, int thread) {
            EXPECT_TRUE(thread >= 0 && thread < team.threads());
            runs[index]++;
          });
        });
        EXPECT_EQ(runs, std::vector<int>(count, 1));
      }
    }
  }
}

// No index of a shared loop ends before every thread has one.
TEST(ThreadPool, EveryFreeThreadHelps) {
  ThreadPool pool(3);
  for (const JobKind kind : {JobKind::all, JobKind::urgent}) {
    std::mutex mutex;
    std::set<int> threads;
    std::atomic<bool> together = false;
    pool.run(kind, [&](Team& team) {
      team.parallel_for(3, [&](size_t, int thread) {
        {
          const std::lock_guard lock(mutex);
          threads.insert(thread);
          if (threads.size() == 3) together = true;
        }
        wait_until(together);
      });
    });
    EXPECT_EQ(threads, (std::set<int>{0, 1, 2}));
  }
}

TEST(ThreadPool, SoloJobsRunAtTheSameTime) {
  ThreadPool pool(3);
  std::atomic<int> running = 0;
  const auto meet = [&](Team&) {
    running++;
    while (running < 3) std::this_thread::yield();
  };
  JobQueue queue(pool);
  queue.add({{JobKind::solo, meet}, {JobKind::solo, meet}, {JobKind::solo, meet}});
  while (running < 3) std::this_thread::yield();
}

TEST(ThreadPool, ManyShortLoopsInARow) {
  ThreadPool pool(4);
  std::atomic<size_t> sum = 0;
  pool.run(JobKind::all, [&](Team& team) {
    for (int i = 0; i < 2000; i++) team.parallel_for(3, [&](size_t index, int) { sum += index; });
  });
  for (int i = 0; i < 200; i++) pool.parallel_for(3, [&](size_t index, int) { sum += index; });
  EXPECT_EQ(sum, 2200u * 3);
}

TEST(ThreadPool, WakesUpAfterSleep) {
  ThreadPool pool(2);
  for (int i = 0; i < 3; i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> runs = 0;
    pool.parallel_for(10, [&](size_t, int) { runs++; });
    EXPECT_EQ(runs, 10);
  }
}

// The calling thread's clock is not the process's: the pool's threads are in the latter only.
TEST(ThreadPool, IdleThreadsUseNoProcessor) {
  ThreadPool pool(4);
  pool.parallel_for(10, [](size_t, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // they fall asleep
  const auto used = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  const auto before = used();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(used() - before, std::chrono::milliseconds(20));
}

TEST(ThreadPool, HandsOnAnExceptionAndGoesOn) {
  ThreadPool pool(3);
  for (const JobKind kind : {JobKind::solo, JobKind::all, JobKind::urgent}) {
    EXPECT_THROW(pool.run(kind,
                          [](Team& team) {
                            team.parallel_for(100, [](size_t index, int) {
                              if (index == 17) throw std::runtime_error("17");
                            });
                          }),
                 std::runtime_error);
    std::atomic<int> runs = 0;
    pool.parallel_for(100, [&](size_t, int) { runs++; });
    EXPECT_EQ(runs, 100);
  }
}

TEST(ThreadPool, AnUnusedPoolStartsNoThread) {
  const auto count = [] {
    int threads = 0;
    for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) threads++;
    return threads;
  };
  std::thread([] {}).join();  // with the first, the thread sanitizer starts one of its own
  const int before = count();
  ThreadPool pool(3);
  EXPECT_EQ(count(), before);
  pool.parallel_for(1, [](size_t, int) {});
  EXPECT_EQ(count(), before + 3);
}

// An urgent job that arrives while every thread is inside a loop begins before any of them takes another index.
TEST(ThreadPool, UrgentJobsInterruptLoops) {
  for (const JobKind kind : {JobKind::solo, JobKind::all}) {
    ThreadPool pool(2);
    std::atomic<int> indices = 0;
    std::atomic<bool> arrived = false, ended = false;
    const auto job = [&](Team& team) {
      team.parallel_for(1000, [&](size_t, int) {
        indices++;
        if (indices > 10) wait_until(arrived);
      });
    };
    JobQueue bulk(pool), urgent(pool);
    bulk.add(std::vector<Job>(kind == JobKind::solo ? 2 : 1, {kind, job}));
    while (indices < 12) std::this_thread::yield();  // both threads are held
    int at_begin = 0;
    urgent.add({{JobKind::urgent, [&](Team& team) {
                   at_begin = indices;
                   std::atomic<int> together = 0;  // the other thread leaves its loop, too
                   team.parallel_for(2, [&](size_t, int) {
                     together++;
                     while (together < 2) std::this_thread::yield();
                   });
                   ended = true;
                 }}});
    arrived = true;
    wait_until(ended);
    EXPECT_LE(at_begin, 13);  // one thread leads while the other is about to come
  }
}

TEST(ThreadPool, UrgentJobsLeaveAShare) {
  ThreadPool pool(1);
  std::atomic<int> urgent_jobs = 0;
  std::atomic<bool> begun = false, arrived = false, ended = false;
  int urgent_jobs_at_end = 0;
  JobQueue bulk(pool), urgent(pool);
  bulk.add({{JobKind::solo, [&](Team& team) {
               team.parallel_for(20, [&](size_t, int) {
                 begun = true;
                 wait_until(arrived);
               });
               urgent_jobs_at_end = urgent_jobs;
               ended = true;
             }}});
  wait_until(begun);
  urgent.add(std::vector<Job>(100, {JobKind::urgent, [&](Team&) { urgent_jobs++; }}));
  arrived = true;
  wait_until(ended);
  EXPECT_GT(urgent_jobs_at_end, 0);
  EXPECT_LT(urgent_jobs_at_end, 100);
}

// One thread, held until both queues are full: it takes from them in turn.
TEST(ThreadPool, QueuesTakeTurns) {
  ThreadPool pool(1);
  std::atomic<bool> full = false;
  std::atomic<int> left = 8;
  std::string order;
  JobQueue first(pool), a(pool), b(pool);
  first.add({{JobKind::solo, [&](Team&) { wait_until(full); }}});
  const auto jobs = [&](char name) {
    return std::vector<Job>(4, {JobKind::solo, [&, name](Team&) {
                                  order += name;
                                  left--;
                                }});
  };
  a.add(jobs('a'));
  b.add(jobs('b'));
  full = true;
  while (left > 0) std::this_thread::yield();
  EXPECT_EQ(order, "abababab");
}

// A thread that helps with a shared loop leaves it for another caller's job.
TEST(ThreadPool, ASharedLoopGivesUpThreads) {
  ThreadPool pool(2);
  std::mutex mutex;
  std::set<int> helpers;
  std::atomic<bool> both = false, other_ran = false;
  std::stop_source stop;
  JobQueue long_one(pool, stop.get_token()), other(pool);
  long_one.add({{JobKind::all, [&](Team& team) {
                   try {
                     team.parallel_for(2'000'000'000, [&](size_t, int thread) {
                       const std::lock_guard lock(mutex);
                       helpers.insert(thread);
                       both = helpers.size() == 2;
                     });
                   } catch (const Stopped&) {
                   }
                 }}});
  wait_until(both);
  other.add({{JobKind::solo, [&](Team&) { other_ran = true; }}});
  wait_until(other_ran);
  stop.request_stop();
}

TEST(JobQueue, DropsWhatHasNotBegun) {
  ThreadPool pool(1);
  std::atomic<bool> begun = false, release = false;
  int runs = 0;
  std::thread releaser;
  {
    JobQueue queue(pool);
    queue.add({{JobKind::solo, [&](Team&) {
                  begun = true;
                  wait_until(release);
                  runs++;
                }}});
    wait_until(begun);
    queue.add({{JobKind::solo, [&](Team&) { runs++; }},
               {JobKind::all, [&](Team&) { runs++; }},
               {JobKind::urgent, [&](Team&) { runs++; }}});
    releaser = std::thread([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));  // until the queue is being destroyed
      release = true;
    });
  }
  EXPECT_EQ(runs, 1);
  releaser.join();
}

TEST(JobQueue, AStopTokenEndsLoops) {
  for (const JobKind kind : {JobKind::solo, JobKind::all, JobKind::urgent}) {
    ThreadPool pool(2);
    std::stop_source stop;
    std::atomic<int> indices = 0;
    std::atomic<bool> stopped = false;
    JobQueue queue(pool, stop.get_token());
    queue.add({{kind, [&](Team& team) {
                  try {
                    team.parallel_for(1000, [&](size_t, int) {
                      if (++indices == 10) stop.request_stop();
                    });
                  } catch (const Stopped&) {
                    stopped = true;
                  }
                }}});
    wait_until(stopped);
    EXPECT_LT(indices, 20);
  }
}

TEST(ThreadPool, ManyCallers) {
  ThreadPool pool(3);
  std::atomic<size_t> sum = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; i++) {
    callers.emplace_back([&, i] {
      for (int round = 0; round < 100; round++) {
        pool.run(static_cast<JobKind>(i % 3), [&](Team& team) {
          for (int loop = 0; loop < 3; loop++) team.parallel_for(5, [&](size_t index, int) { sum += index; });
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 6u * 100 * 3 * 10);
}

TEST(ThreadPool, AForkedProcessGetsAnError) {
  auto pool = std::make_unique<ThreadPool>(2);
  pool->parallel_for(10, [](size_t, int) {});
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);  // ends a child that hangs
    try {
      pool->parallel_for(10, [](size_t, int) {});
      _exit(1);
    } catch (const InferenceError&) {
    }
    pool.reset();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  pool->parallel_for(10, [](size_t, int) {});
}

}  // namespace
}  // namespace bgem3
