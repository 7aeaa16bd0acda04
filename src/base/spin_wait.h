// Waiting for an atomic value to change: briefly awake, then asleep. Start at wait_for_change.
#pragma once

#include <atomic>
#include <cstdint>

namespace bgem3 {

// About 50 microseconds: long enough to bridge the gap between two loops of a pass, short enough to cost nothing idle.
constexpr int kSpins = 4000;

// Returns once `value` differs from `old`. Whoever changes it must notify, or the waiting thread may sleep on.
inline void wait_for_change(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpins; i++) {
    if (value.load(std::memory_order_acquire) != old) return;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace bgem3
