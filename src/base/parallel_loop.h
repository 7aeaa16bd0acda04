// One loop at a time, its indices handed out without locks to whoever helps. Start at ParallelLoop::run.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <utility>

#include "base/error.h"
#include "base/spin_wait.h"

namespace bgem3 {

// One thread leads: it opens a loop, takes part and waits until every index has ended. Any others may come and go
// between two indices; nothing depends on how many do.
class ParallelLoop {
 public:
  using Body = std::function<void(size_t index, int thread)>;

  // By the leader: calls body(index, thread) once for each index in [0, count), on this thread as `thread` and on those
  // that help meanwhile. `opened()` is called when help can come in, `between()` before each index of this thread.
  // An exception from body is thrown again here, after the indices already handed out have ended; the others are
  // skipped. Requires: count < 2^32; `opened` and `between` do not throw.
  template <typename Opened, typename Between>
  void run(size_t count, const Body& body, int thread, Opened opened, Between between) {
    BGEM3_CHECK(count < UINT32_MAX);
    body_ = &body;
    error_ = nullptr;
    failed_.store(false, std::memory_order_relaxed);
    finished_.store(0, std::memory_order_relaxed);
    ticket_.store(uint64_t{count} << 32, std::memory_order_release);
    opened();
    help(thread, [&] {
      between();
      return true;
    });
    for (uint32_t finished; (finished = finished_.load(std::memory_order_acquire)) != count;) {
      wait_for_change(finished_, finished);
    }
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

  // By any thread at any time: takes part in the open loop until no index is left or `between()`, called before each,
  // answers false. Answers whether it ran any index.
  template <typename Between>
  bool help(int thread, Between between) {
    bool helped = false;
    while (between()) {
      uint64_t ticket = ticket_.load(std::memory_order_relaxed);
      do {
        if (next(ticket) >= count(ticket)) return helped;
      } while (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acquire));
      // From here until this index is counted as finished the loop stays open, so that body_ is this loop's.
      helped = true;
      try {
        (*body_)(next(ticket), thread);
      } catch (...) {
        if (!failed_.exchange(true, std::memory_order_relaxed)) error_ = std::current_exception();
        skip_rest(count(ticket));
      }
      finish(1, count(ticket));
    }
    return helped;
  }

 private:
  static uint32_t count(uint64_t ticket) { return static_cast<uint32_t>(ticket >> 32); }
  static uint32_t next(uint64_t ticket) { return static_cast<uint32_t>(ticket); }

  void skip_rest(uint32_t count) {
    const uint64_t all = uint64_t{count} << 32 | count;
    const uint32_t skipped = count - next(ticket_.exchange(all, std::memory_order_relaxed));
    if (skipped > 0) finish(skipped, count);
  }

  void finish(uint32_t indices, uint32_t count) {
    if (finished_.fetch_add(indices, std::memory_order_acq_rel) + indices == count) finished_.notify_one();
  }

  // Written by the leader before it stores the ticket.
  const Body* body_ = nullptr;
  std::exception_ptr error_;  // written by the first index that fails
  std::atomic<bool> failed_ = false;
  alignas(64) std::atomic<uint64_t> ticket_ = 0;    // count << 32 | next index to hand out
  alignas(64) std::atomic<uint32_t> finished_ = 0;  // indices that have ended
};

}  // namespace bgem3
