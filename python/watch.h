// Python while C++ computes without the interpreter's lock: signals, progress, cancellation. Start at Watch.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <stop_token>

#include "bgem3/options.h"
#include "bindings.h"

namespace bgem3::python {

// One call of EmbedOptions' callbacks. About 20 times a second it takes the lock, lets Python run its signal handlers
// (Ctrl-C raises KeyboardInterrupt) and tells `progress`. What Python raises stops the computation.
class Watch {
 public:
  // progress: a callable of (done, total), or None. total: in texts. stop: triggered by whoever cancels the call.
  Watch(nb::object progress, size_t total, std::stop_source stop);

  // The options that this object listens to; it must outlive their use.
  void attach(EmbedOptions& options);
  // With the lock, when the computation has ended: throws what Python raised.
  void rethrow() const;

 private:
  void look();

  nb::object progress_;
  const size_t total_;
  size_t done_ = 0;
  std::stop_source stop_;
  std::chrono::steady_clock::time_point next_ = {};
  std::exception_ptr raised_;
};

}  // namespace bgem3::python
