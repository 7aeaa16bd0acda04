#include "signals.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <string_view>

#include "failure.h"

namespace bgem3::cli {

namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Signals::Signals() : event_fd_(eventfd(0, EFD_CLOEXEC)) {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  listener_ = std::thread([this] { listen(); });
}

Signals::~Signals() {
  closing_ = true;
  pthread_kill(listener_.native_handle(), SIGTERM);
  listener_.join();
  close(event_fd_);
}

void Signals::listen() {
  const sigset_t set = stop_signals();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (closing_) return;
    if (!holding_ || received_ != 0) _exit(kExitSignal + signal);
    received_ = signal;
    stop_.request_stop();
    std::string_view message = "\nbgem3: stopping; once more to leave at once\n";
    if (isatty(STDERR_FILENO) != 1) message.remove_prefix(1);
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, message.data(), message.size());
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t woken = write(event_fd_, &one, sizeof one);
  }
}

}  // namespace bgem3::cli
