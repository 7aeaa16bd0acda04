// Python while C++ computes without the interpreter's lock: signals, progress, cancellation. Start at Watch.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <stop_token>

#include "bgem3/options.h"
#include "bindings.h"

namespace bgem3::python {

// One call. About 20 times a second it takes the lock, lets Python run its signal handlers (Ctrl-C raises
// KeyboardInterrupt) and tells `progress`. What Python raises stops the computation.
class Watch {
 public:
  // progress: a callable of (done, total), or None. total: in texts. stop: triggered by whoever cancels the call.
  Watch(nb::object progress, size_t total, std::stop_source stop);

  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Makes this object listen to the options of a call (EmbedOptions, CallOptions); it must outlive the call.
  template <typename Options>
  void attach(Options& options) {
    options.stop = stop_.get_token();
    options.on_progress = [this](size_t done, size_t) { progressed(done); };
    options.on_wait = [this] { look(); };
  }
  // Calls Python from a callback of the library, in any call that this thread makes; what it raises stops the call.
  template <typename Body>
  static void call_python(Body body) {
    const nb::gil_scoped_acquire lock;
    try {
      body();
    } catch (nb::python_error& error) {
      stop_call(error);
    }
  }
  // Runs the call without the lock; throws what Python raised meanwhile, before anything else.
  template <typename Body>
  auto run(Body body) const {
    try {
      auto result = [&] {
        const nb::gil_scoped_release unlocked;
        return body();
      }();
      rethrow();
      return result;
    } catch (...) {
      rethrow();
      throw;
    }
  }
  // True from when something is raised: the rest of the call is of no interest.
  static bool is_stopping();

 private:
  void progressed(size_t done);
  void look();
  void rethrow() const;
  static void stop_call(nb::python_error& error);

  nb::object progress_;
  const size_t total_;
  size_t done_ = 0;
  std::stop_source stop_;
  std::chrono::steady_clock::time_point next_ = {};
  std::exception_ptr raised_;
  Watch* const outer_;  // of this thread: a callback may make a call of its own
};

}  // namespace bgem3::python
