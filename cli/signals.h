// SIGINT and SIGTERM as a stop token: the first asks to stop, the second leaves at once.
#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace bgem3::cli {

// Takes the two signals over for the whole process. Make one, first thing in main: threads started later inherit that
// the signals are blocked, so that only the thread in here receives them. Until `hold` is called there is nothing to
// save, and the first signal leaves at once too.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // From now on the first signal only requests a stop; after release it leaves at once again.
  void hold() { holding_ = true; }
  void release() { holding_ = false; }

  std::stop_token token() const { return stop_.get_token(); }
  // Readable once a stop was requested, for poll().
  int fd() const { return event_fd_; }
  // The signal that asked to stop; 0 if none did.
  int received() const { return received_; }

 private:
  void listen();

  std::stop_source stop_;
  std::atomic<bool> holding_ = false;
  std::atomic<bool> closing_ = false;
  std::atomic<int> received_ = 0;
  int event_fd_;
  std::thread listener_;
};

}  // namespace bgem3::cli
