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

// True if a thread would wait for longer than a quarter of the first text takes: each text goes to the thread that is
// free first. Texts that all threads share leave no such wait, and cost a few hundredths.
bool is_uneven(std::span<const size_t> tokens, std::span<const size_t> order, size_t left, size_t threads) {
  std::vector<size_t> loads(threads, 0);
  for (const size_t index : order) *std::min_element(loads.begin(), loads.end()) += tokens[index];
  return *std::max_element(loads.begin(), loads.end()) > left / threads + tokens[order.front()] / 4;
}

}  // namespace

std::vector<Pass> schedule(std::span<const size_t> tokens, const PassLimits& limits, Part part) {
  std::vector<size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return tokens[a] > tokens[b]; });
  size_t left = std::accumulate(tokens.begin(), tokens.end(), size_t{0});
  if (order.empty()) return {};
  const size_t threads = static_cast<size_t>(limits.threads);
  if (part == Part::whole && left <= kUrgentTokens) return {{JobKind::urgent, std::move(order)}};

  // Where the solo passes begin.
  const bool last = part != Part::middle;
  size_t shared = 0, rest = left;
  for (; shared < order.size(); rest -= tokens[order[shared++]]) {
    const size_t length = tokens[order[shared]];
    if (length > limits.solo_longest || (last && rest < threads * kSmallestPass)) continue;
    if (!last || length < kSmallestPass || !is_uneven(tokens, std::span(order).subspan(shared), rest, threads)) break;
  }

  std::vector<Pass> passes;
  size_t used = 0, target = 0;
  for (size_t i = 0; i < order.size(); i++) {
    const size_t index = order[i];
    const JobKind kind = i < shared || limits.solo_tokens == 0 ? JobKind::all : JobKind::solo;
    if (passes.empty() || passes.back().kind != kind || used + tokens[index] > target) {
      const size_t most = kind == JobKind::solo ? limits.solo_tokens : limits.all_tokens;
      const bool shrinks = kind == JobKind::solo && last;
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
