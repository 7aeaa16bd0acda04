#include "embedder/scheduler.h"

#include <algorithm>

namespace bgem3 {

std::vector<std::vector<size_t>> schedule(std::span<const size_t> tokens, size_t pass_tokens) {
  std::vector<size_t> order;
  for (size_t i = 0; i < tokens.size(); i++) {
    if (tokens[i] > 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return tokens[a] > tokens[b]; });

  std::vector<std::vector<size_t>> passes;
  size_t used = 0;
  for (const size_t index : order) {
    if (passes.empty() || used + tokens[index] > pass_tokens) {
      passes.emplace_back();
      used = 0;
    }
    passes.back().push_back(index);
    used += tokens[index];
  }
  return passes;
}

}  // namespace bgem3
