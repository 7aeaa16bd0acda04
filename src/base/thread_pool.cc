#include "base/thread_pool.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/parallel_loop.h"
#include "base/spin_wait.h"

namespace bgem3 {
namespace {

using Clock = std::chrono::steady_clock;

// After an urgent job other work may go on for its duration divided by this, so that a stream of them starves nobody:
// a few milliseconds for a short query.
constexpr int kUrgentShare = 8;

}  // namespace

// Guarded by the pool's mutex.
struct JobQueue::State {
  explicit State(std::stop_token stop_) : stop(std::move(stop_)) {}

  const std::stop_token stop;
  std::deque<Job> all, solo;  // not begun
  int workers = 0;            // threads that compute for it
  uint64_t served = 0;        // when it got a thread last
  std::condition_variable idle;
};

// One job that any thread may help with, at most one of a kind at a time.
struct SharedJob {
  ParallelLoop loop;
  std::atomic<uint64_t> id = 0;  // of the job in progress; 0: none
};

struct ThreadPool::State {
  explicit State(int threads_) : threads(threads_) {}

  const int threads;
  std::mutex mutex;  // guards what follows
  std::vector<std::thread> workers;
  std::vector<JobQueue::State*> queues;
  struct UrgentJob {
    JobQueue::State* queue;
    std::function<void(Team&)> run;
  };
  std::deque<UrgentJob> urgent;          // not begun
  JobQueue::State* all_queue = nullptr;  // whose `all` job is in progress
  uint64_t jobs = 0;                     // counted, for `served` and SharedJob::id

  std::atomic<pid_t> pid = 0;  // of the process that started the workers; 0: not started
  SharedJob all_job, urgent_job;
  std::atomic<uint32_t> urgent_left = 0;    // urgent jobs that wait or run
  std::atomic<Clock::rep> urgent_from = 0;  // when other work may next be interrupted
  std::atomic<uint32_t> queue_changes = 0;  // raised when a queue gets jobs
  std::atomic<bool> stop = false;
  // Raised with every event that a thread may wait for: jobs, the start of a shared loop, the end of a shared job.
  alignas(64) std::atomic<uint32_t> events = 0;

  void announce() {
    events.fetch_add(1);
    events.notify_all();
  }

  void add(JobQueue::State& queue, std::vector<Job> added);
  void remove(JobQueue::State& queue);
  void start();
  bool forked() const { return pid != 0 && pid != getpid(); }
  void work(int worker);
  bool work_once(int worker);
  bool may_interrupt() const {
    return urgent_left.load(std::memory_order_relaxed) > 0 &&
           Clock::now().time_since_epoch().count() >= urgent_from.load(std::memory_order_relaxed);
  }
  bool run_urgent(int worker);
  void help_all(int worker, uint32_t changes);
  void run_job(const std::function<void(Team&)>& job, JobKind kind, const JobQueue::State& queue, int worker);
  void leave(JobQueue::State& queue);
};

struct Team::Member {
  ThreadPool::State& pool;
  JobKind kind;
  const std::stop_token& stop;
};

void Team::parallel_for(size_t count, const std::function<void(size_t, int)>& body) {
  if (!member_) {
    for (size_t index = 0; index < count; index++) body(index, 0);
    return;
  }
  ThreadPool::State& pool = member_->pool;
  const auto check_stop = [&] {
    if (member_->stop.stop_requested()) throw Stopped();
  };
  if (member_->kind == JobKind::solo) {
    for (size_t index = 0; index < count; index++) {
      check_stop();
      if (pool.may_interrupt()) pool.run_urgent(leader_);
      body(index, 0);
    }
    return;
  }
  const bool urgent = member_->kind == JobKind::urgent;
  (urgent ? pool.urgent_job : pool.all_job)
      .loop.run(
          count,
          [&](size_t index, int thread) {
            check_stop();
            body(index, thread);
          },
          leader_, [&] { pool.announce(); },
          [&] {
            if (!urgent && pool.may_interrupt()) pool.run_urgent(leader_);
          });
}

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>(threads)) { BGEM3_CHECK(threads >= 1); }

ThreadPool::~ThreadPool() {
  const bool forked = state_->forked();
  state_->stop = true;
  if (!forked) state_->announce();
  for (std::thread& worker : state_->workers) forked ? worker.detach() : worker.join();
}

int ThreadPool::threads() const { return state_->threads; }

void ThreadPool::run(JobKind kind, const std::function<void(Team&)>& job) {
  std::exception_ptr error;
  std::atomic<uint32_t> done = 0;
  JobQueue queue(*this);
  queue.add({{kind, [&](Team& team) {
                try {
                  job(team);
                } catch (...) {
                  error = std::current_exception();
                }
                done.store(1, std::memory_order_release);
                done.notify_one();
              }}});
  done.wait(0, std::memory_order_acquire);
  if (error) std::rethrow_exception(error);
}

JobQueue::JobQueue(ThreadPool& pool, std::stop_token stop)
    : pool_(pool), state_(std::make_unique<State>(std::move(stop))) {}

JobQueue::~JobQueue() { pool_.state_->remove(*state_); }

void JobQueue::add(std::vector<Job> jobs) { pool_.state_->add(*state_, std::move(jobs)); }

void ThreadPool::State::add(JobQueue::State& queue, std::vector<Job> added) {
  if (forked()) {  // asked before the mutex, which may have been held when the process was forked
    fail<InferenceError>(ErrorCode::unsupported,
                         "this process was forked after its model had begun to compute, and a fork takes no threads "
                         "along: open the model again in the new process, or fork before the first use");
  }
  {
    const std::lock_guard lock(mutex);
    start();
    if (std::find(queues.begin(), queues.end(), &queue) == queues.end()) queues.push_back(&queue);
    for (Job& job : added) {
      if (job.kind == JobKind::urgent) {
        urgent.push_back({&queue, std::move(job.run)});
        urgent_left.fetch_add(1);
      } else {
        (job.kind == JobKind::all ? queue.all : queue.solo).push_back(std::move(job));
      }
    }
    queue_changes.fetch_add(1);
  }
  announce();
}

void ThreadPool::State::remove(JobQueue::State& queue) {
  if (forked()) return;
  std::unique_lock lock(mutex);
  queue.all.clear();
  queue.solo.clear();
  urgent_left.fetch_sub(
      static_cast<uint32_t>(std::erase_if(urgent, [&](const UrgentJob& job) { return job.queue == &queue; })));
  std::erase(queues, &queue);
  queue.idle.wait(lock, [&] { return queue.workers == 0; });
}

void ThreadPool::State::start() {
  if (pid != 0) return;
  // Signals are for the program's own threads: workers inherit a mask that blocks all of them.
  sigset_t every, old;
  sigfillset(&every);
  pthread_sigmask(SIG_BLOCK, &every, &old);
  try {
    for (int worker = static_cast<int>(workers.size()); worker < threads; worker++) {
      workers.emplace_back([this, worker] { work(worker); });
    }
    pid = getpid();
  } catch (const std::system_error&) {
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (pid == 0) {
    fail<ResourceLimitError>(ErrorCode::overloaded,
                             "cannot start {} threads: the operating system refused; ask for fewer", threads);
  }
}

void ThreadPool::State::work(int worker) {
  while (true) {
    const uint32_t seen = events.load();
    if (stop.load()) return;
    if (!work_once(worker)) wait_for_change(events, seen);
  }
}

// Computes something if there is anything to compute.
bool ThreadPool::State::work_once(int worker) {
  if (may_interrupt() && run_urgent(worker)) return true;
  std::unique_lock lock(mutex);
  const auto can_lead = [&](const JobQueue::State& queue) { return !queue.all.empty() && !all_queue; };
  JobQueue::State* chosen = nullptr;
  for (JobQueue::State* queue : queues) {
    if (all_queue != queue && !can_lead(*queue) && queue->solo.empty()) continue;
    const auto claim = [](const JobQueue::State& state) { return std::pair(state.workers, state.served); };
    if (!chosen || claim(*queue) < claim(*chosen)) chosen = queue;
  }
  if (!chosen) {
    lock.unlock();
    return run_urgent(worker);  // before its time, since there is nothing else
  }
  chosen->workers++;
  chosen->served = ++jobs;
  if (chosen == all_queue) {
    const uint32_t changes = queue_changes.load();
    lock.unlock();
    help_all(worker, changes);
  } else if (can_lead(*chosen)) {
    const Job job = std::move(chosen->all.front());
    chosen->all.pop_front();
    all_queue = chosen;
    all_job.id = jobs;
    lock.unlock();
    announce();
    run_job(job.run, JobKind::all, *chosen, worker);
    all_job.id = 0;
    lock.lock();
    all_queue = nullptr;
    lock.unlock();
    announce();
  } else {
    const Job job = std::move(chosen->solo.front());
    chosen->solo.pop_front();
    lock.unlock();
    run_job(job.run, JobKind::solo, *chosen, worker);
  }
  leave(*chosen);
  return true;
}

// Takes part in the `all` job in progress until it ends, or until another queue may have a better claim.
void ThreadPool::State::help_all(int worker, uint32_t changes) {
  const uint64_t id = all_job.id.load();
  while (id != 0) {
    const uint32_t seen = events.load();
    const auto stay = [&] {
      if (may_interrupt()) run_urgent(worker);
      return all_job.id.load(std::memory_order_relaxed) == id &&
             queue_changes.load(std::memory_order_relaxed) == changes;
    };
    const bool helped = all_job.loop.help(worker, stay);
    if (!stay()) return;
    if (!helped) wait_for_change(events, seen);
  }
}

// Leads the next urgent job, or helps with the one in progress until it ends. False if there was none.
bool ThreadPool::State::run_urgent(int worker) {
  std::unique_lock lock(mutex);
  const uint64_t id = urgent_job.id.load();
  if (id == 0) {
    if (urgent.empty()) return false;
    const auto [queue, run] = std::move(urgent.front());
    urgent.pop_front();
    queue->workers++;
    urgent_job.id = ++jobs;
    lock.unlock();
    const auto begin = Clock::now();
    run_job(run, JobKind::urgent, *queue, worker);
    const auto end = Clock::now();
    urgent_from = (end + (end - begin) / kUrgentShare).time_since_epoch().count();
    urgent_job.id = 0;
    urgent_left.fetch_sub(1);
    announce();
    leave(*queue);
    return true;
  }
  lock.unlock();
  while (urgent_job.id.load() == id) {
    const uint32_t seen = events.load();
    const bool helped = urgent_job.loop.help(worker, [] { return true; });
    if (!helped && urgent_job.id.load() == id) wait_for_change(events, seen);
  }
  return true;
}

void ThreadPool::State::run_job(const std::function<void(Team&)>& job, JobKind kind, const JobQueue::State& queue,
                                int worker) {
  Team::Member member{*this, kind, queue.stop};
  Team team(member, kind == JobKind::solo ? 1 : threads, worker);
  job(team);
}

void ThreadPool::State::leave(JobQueue::State& queue) {
  const std::lock_guard lock(mutex);
  if (--queue.workers == 0) queue.idle.notify_all();
}

}  // namespace bgem3
