#include "base/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"

namespace bgem3 {
namespace {

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Long enough to bridge the gap between two loops of a pass, short enough to cost nothing when idle.
constexpr int kSpins = 4000;

// Waits until `value` differs from `old`: spins, then sleeps.
template <typename T>
void wait_for_change(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; i++) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause_cpu();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

struct ThreadPool::State {
  // The loop in progress; written by the caller before `generation` is raised.
  const std::function<void(int, int)>* body = nullptr;
  int count = 0;
  std::atomic<int> next = 0;     // the next index to hand out
  std::atomic<int> running = 0;  // workers that have not finished this loop
  std::atomic<unsigned> generation = 0;
  bool stop = false;
  std::mutex error_mutex;
  std::exception_ptr error;
  std::vector<std::thread> workers;

  void run_indices(int thread) {
    while (true) {
      const int index = next.fetch_add(1, std::memory_order_relaxed);
      if (index >= count) return;
      try {
        (*body)(index, thread);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
        next.store(count, std::memory_order_relaxed);
      }
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  BGEM3_CHECK(threads >= 1);
  // Signals are for the program's own threads: workers inherit a mask that blocks all of them.
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  try {
    for (int thread = 1; thread < threads; thread++) state_->workers.emplace_back([this, thread] { work(thread); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    state_->stop = true;
    state_->generation.fetch_add(1, std::memory_order_release);
    state_->generation.notify_all();
    for (std::thread& worker : state_->workers) worker.join();
    fail<ResourceLimitError>(ErrorCode::overloaded,
                             "cannot start {} threads: the operating system refused; ask for fewer", threads);
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

ThreadPool::~ThreadPool() {
  state_->stop = true;
  state_->generation.fetch_add(1, std::memory_order_release);
  state_->generation.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::work(int thread) {
  State& state = *state_;
  unsigned seen = 0;
  while (true) {
    wait_for_change(state.generation, seen);
    seen++;  // the caller starts no further loop before this one has ended
    if (state.stop) return;
    state.run_indices(thread);
    if (state.running.fetch_sub(1, std::memory_order_acq_rel) == 1) state.running.notify_one();
  }
}

void ThreadPool::parallel_for(int count, const std::function<void(int, int)>& body) {
  State& state = *state_;
  if (state.workers.empty() || count <= 1) {
    for (int index = 0; index < count; index++) body(index, 0);
    return;
  }
  state.body = &body;
  state.count = count;
  state.next.store(0, std::memory_order_relaxed);
  state.running.store(static_cast<int>(state.workers.size()), std::memory_order_relaxed);
  state.generation.fetch_add(1, std::memory_order_release);
  state.generation.notify_all();
  state.run_indices(0);
  for (int left = state.running.load(std::memory_order_acquire); left != 0;
       left = state.running.load(std::memory_order_acquire)) {
    wait_for_change(state.running, left);
  }
  if (state.error) std::rethrow_exception(std::exchange(state.error, nullptr));
}

void Team::parallel_for(size_t count, const std::function<void(size_t, int)>& body) {
  if (pool_) {
    pool_->parallel_for(static_cast<int>(count),
                        [&](int index, int thread) { body(static_cast<size_t>(index), thread); });
    return;
  }
  for (size_t index = 0; index < count; index++) body(index, 0);
}

}  // namespace bgem3
