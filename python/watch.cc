#include "watch.h"

namespace bgem3::python {
namespace {

constexpr std::chrono::milliseconds kInterval(50);

}  // namespace

Watch::Watch(nb::object progress, size_t total, std::stop_source stop)
    : progress_(std::move(progress)), total_(total), stop_(std::move(stop)) {}

void Watch::attach(EmbedOptions& options) {
  options.stop = stop_.get_token();
  options.on_progress = [this](size_t done, size_t) {
    done_ = done;
    if (done == total_ || std::chrono::steady_clock::now() >= next_) look();
  };
  options.on_wait = [this] { look(); };
}

void Watch::look() {
  if (raised_) return;
  next_ = std::chrono::steady_clock::now() + kInterval;
  const nb::gil_scoped_acquire lock;
  try {
    if (PyErr_CheckSignals() != 0) throw nb::python_error();  // does nothing but on the main thread
    if (!progress_.is_none()) progress_(done_, total_);
  } catch (const nb::python_error&) {
    raised_ = std::current_exception();
    stop_.request_stop();
  }
}

void Watch::rethrow() const {
  if (raised_) std::rethrow_exception(raised_);
}

}  // namespace bgem3::python
