// A fixed set of threads that split one loop at a time. Start at ThreadPool::parallel_for.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace bgem3 {

// Results must not depend on which thread runs which index: then they do not depend on the number of threads either.
// One parallel_for at a time: the owner serialises its calls. Idle workers spin for some microseconds, then sleep.
class ThreadPool {
 public:
  // `threads` counts the calling thread: threads - 1 are started, 1 starts none. The workers block all signals.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Calls body(index, thread) once for each index in [0, count), spread over the threads, the caller's included;
  // 0 <= thread < threads(). Returns when all are done. Indices are handed out in ascending order, one at a time.
  // An exception from body is thrown again here, after the other indices that were already handed out have ended;
  // indices not yet handed out are skipped.
  void parallel_for(int count, const std::function<void(int index, int thread)>& body);

 private:
  struct State;
  void work(int thread);
  std::unique_ptr<State> state_;
};

// The threads that compute one thing together, a loop at a time: those of a pool, or the calling thread alone.
class Team {
 public:
  Team() = default;  // the calling thread alone
  explicit Team(ThreadPool& pool) : pool_(&pool) {}

  // The number of threads that may take part.
  int threads() const { return pool_ ? pool_->threads() : 1; }

  // Calls body(index, thread) once for each index in [0, count), 0 <= thread < threads(). Returns when all are done.
  // Exceptions: as ThreadPool::parallel_for.
  void parallel_for(size_t count, const std::function<void(size_t index, int thread)>& body);

 private:
  ThreadPool* pool_ = nullptr;
};

}  // namespace bgem3
