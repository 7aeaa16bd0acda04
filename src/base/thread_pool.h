// The threads that compute, and who gets them: jobs of several callers, and the loops that threads share. Start at
// ThreadPool::run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

namespace bgem3 {

// How a job is computed.
enum class JobKind : uint8_t {
  solo,    // by one thread; as many at a time as there are threads
  all,     // its loops by every free thread; one such job at a time
  urgent,  // like `all`, and first: threads leave other jobs, between two indices of a loop, until it has ended
};

// Thrown by Team::parallel_for when the stop token of the job's queue is triggered.
struct Stopped {};

// What a job computes with. Results must not depend on which thread runs which index: then they do not depend on the
// number of threads or the kind of job either.
class Team {
 public:
  Team() = default;  // the calling thread alone

  // The number of threads that may take part: 1 for a solo job.
  int threads() const { return threads_; }
  // The pool's thread that leads the job, 0 <= leader() < the pool's threads(): for memory of its own.
  int leader() const { return leader_; }

  // Calls body(index, thread) once for each index in [0, count), 0 <= thread < threads(), indices handed out in
  // ascending order, one at a time. Returns when all are done. An exception from body is thrown again here, after the
  // indices already handed out have ended; the others are skipped. Requires: count < 2^32, no loop inside a loop.
  void parallel_for(size_t count, const std::function<void(size_t index, int thread)>& body);

 private:
  friend class ThreadPool;
  struct Member;
  Team(Member& member, int threads, int leader) : member_(&member), threads_(threads), leader_(leader) {}
  Member* member_ = nullptr;
  int threads_ = 1, leader_ = 0;
};

struct Job {
  JobKind kind;
  std::function<void(Team& team)> run;  // must not throw; what it holds may be destroyed after it has returned
};

// A fixed number of threads of its own; a caller never computes, it waits. They are started by the first job, block all
// signals, and sleep when there is nothing to do. Callers with several jobs share the threads evenly, whoever came
// first; urgent jobs go before them, in their order, but leave them a share. Any thread but the pool's own may call; a
// process forked after the first job may not (InferenceError).
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  // Requires: no job and no queue is left. In a forked process the threads are not there and are not waited for.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Runs one job and waits for it; what it throws is thrown again here. Throws ResourceLimitError if the threads cannot
  // be started.
  void run(JobKind kind, const std::function<void(Team& team)>& job);

  // One loop as a job of its own.
  void parallel_for(size_t count, const std::function<void(size_t index, int thread)>& body) {
    run(JobKind::all, [&](Team& team) { team.parallel_for(count, body); });
  }

 private:
  friend class JobQueue;
  friend class Team;
  struct State;
  std::unique_ptr<State> state_;
};

// The jobs of one caller, in the order they were added, except that `all` jobs go before solo ones. Used by one thread.
class JobQueue {
 public:
  // `stop`: once triggered, loops of these jobs end with Stopped. `pool` must outlive the queue.
  explicit JobQueue(ThreadPool& pool, std::stop_token stop = {});
  ~JobQueue();  // drops the jobs that have not begun, waits for the others
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  // Throws ResourceLimitError if the threads cannot be started, InferenceError in a forked process.
  void add(std::vector<Job> jobs);

 private:
  friend class ThreadPool;
  struct State;
  ThreadPool& pool_;
  std::unique_ptr<State> state_;
};

}  // namespace bgem3
