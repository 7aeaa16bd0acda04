#include "embedder/scheduler.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace bgem3 {
namespace {

// A pass of fewer tokens waits for the weights to be read, not for their use.
constexpr size_t kSmallestPass = 64;

// A pass takes this share of what is left for its thread.
constexpr size_t kShareOfRest = 2;

}  // namespace

std::vector<Pass> schedule(std::span<const size_t> tokens, const PassLimits& limits, Part part) {
  std::vector<size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return tokens[a] > tokens[b]; });
  size_t left = std::accumulate(tokens.begin(), tokens.end(), size_t{0});
  if (order.empty()) return {};
  const size_t threads = static_cast<size_t>(limits.threads);
  if (part == Part::whole && left <= kUrgentTokens) return {{JobKind::urgent, std::move(order)}};

  std::vector<Pass> passes;
  const bool solo = limits.solo_tokens > 0 && (part == Part::middle || left >= threads * kSmallestPass);
  size_t used = 0, target = 0;
  for (const size_t index : order) {
    const JobKind kind = solo && tokens[index] <= limits.solo_longest ? JobKind::solo : JobKind::all;
    if (passes.empty() || passes.back().kind != kind || used + tokens[index] > target) {
      const size_t most = kind == JobKind::solo ? limits.solo_tokens : solo ? 0 : limits.all_tokens;
      const bool shrinks = kind == JobKind::solo && part != Part::middle;
      target = shrinks ? std::min(std::max(left / (kShareOfRest * threads), kSmallestPass), most) : most;
      passes.push_back({kind, {}});
      used = 0;
    }
    passes.back().texts.push_back(index);
    used += tokens[index];
    left -= tokens[index];
  }
  return passes;
}

}  // namespace bgem3
