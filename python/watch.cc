#include "watch.h"

namespace bgem3::python {
namespace {

constexpr std::chrono::milliseconds kInterval(50);

thread_local Watch* current = nullptr;

}  // namespace

Watch::Watch(nb::object progress, size_t total, std::stop_source stop)
    : progress_(std::move(progress)), total_(total), stop_(std::move(stop)), outer_(current) {
  current = this;
}

Watch::~Watch() { current = outer_; }

void Watch::progressed(size_t done) {
  done_ = done;
  if (done == total_ || std::chrono::steady_clock::now() >= next_) look();
}

void Watch::look() {
  if (raised_) return;
  next_ = std::chrono::steady_clock::now() + kInterval;
  call_python([this] {
    if (PyErr_CheckSignals() != 0) throw nb::python_error();  // does nothing but on the main thread
    if (!progress_.is_none()) progress_(done_, total_);
  });
}

void Watch::stop_call(nb::python_error& error) {
  if (!current) {
    error.discard_as_unraisable("bgem3");
  } else if (!current->raised_) {
    current->raised_ = std::current_exception();
    current->stop_.request_stop();
  }
}

bool Watch::is_stopping() { return current && current->raised_; }

void Watch::rethrow() const {
  if (raised_) std::rethrow_exception(raised_);
}

}  // namespace bgem3::python
