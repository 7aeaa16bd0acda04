#include "embedder/memory_plan.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>

#include "base/error.h"

namespace bgem3 {
namespace {

// Solo passes of this size read the weights often enough not to need more memory, and seldom enough not to wait for
// them. A text of up to twice the size is still faster alone on one core than shared by all.
constexpr size_t kSoloTokens = 512;
constexpr size_t kSoloLongest = 1024;
constexpr size_t kSmallestSolo = 64;
constexpr size_t kAllTokens = 2048;

// A model that cannot serve texts of this size is not opened.
constexpr size_t kSmallestLongest = 512;
// Results and ids of one request of 4,096 texts with 1,024 dimensions, tokenizer scratch.
constexpr size_t kSmallestRequest = size_t{32} << 20;
// What the allocator, pages of files that are read now and then, and a thread's stack hold beside that.
constexpr size_t kSlack = size_t{24} << 20, kSlackOfThread = size_t{1} << 19;

// The largest value in [least, most] that fits; least - 1 if none does.
size_t largest_that(size_t least, size_t most, const std::function<bool(size_t)>& fits) {
  size_t below = least - 1;
  while (below < most) {
    const size_t middle = most - (most - below) / 2;
    if (fits(middle))
      below = middle;
    else
      most = middle - 1;
  }
  return below;
}

}  // namespace

MemoryPlan plan_memory(const MemoryNeeds& needs) {
  const size_t threads = static_cast<size_t>(needs.threads);
  MemoryPlan plan;
  plan.longest = needs.max_tokens;
  plan.request_bytes = SIZE_MAX;
  plan.passes = {.threads = needs.threads,
                 .solo_tokens = needs.pass_tokens ? needs.pass_tokens : kSoloTokens,
                 .solo_longest = std::min(kSoloLongest, needs.max_tokens),
                 .all_tokens = needs.pass_tokens ? needs.pass_tokens : kAllTokens};
  if (needs.ceiling_bytes == 0) return plan;

  const size_t urgent = needs.workspace_bytes(kUrgentTokens, kUrgentTokens, needs.threads);
  const size_t fixed = needs.held_bytes + kSlack + threads * kSlackOfThread + urgent + kSmallestRequest;
  const auto all = [&](size_t tokens) { return needs.workspace_bytes(tokens, tokens, needs.threads); };
  const size_t least = std::min(kSmallestLongest, needs.max_tokens);
  const size_t needed = fixed + all(least);
  if (needed > needs.ceiling_bytes) {
    fail<ResourceLimitError>(ErrorCode::overloaded,
                             "max_memory: {} bytes are allowed, but this process needs {}: {} for the program and the "
                             "model, {} to compute texts of {} tokens on {} threads; allow more, or use fewer threads "
                             "or a smaller dtype",
                             needs.ceiling_bytes, needed, needs.held_bytes, needed - needs.held_bytes, least,
                             needs.threads);
  }
  size_t left = needs.ceiling_bytes - fixed;
  plan.longest = largest_that(least, needs.max_tokens, [&](size_t tokens) { return all(tokens) <= left; });
  left -= all(plan.longest);
  plan.passes.all_tokens = std::min(plan.passes.all_tokens, plan.longest);

  const auto solo = [&](size_t tokens, size_t longest) {
    return threads * needs.workspace_bytes(std::max(tokens, longest), longest, 1);
  };
  const size_t wanted = plan.passes.solo_tokens;
  if (solo(wanted, plan.passes.solo_longest) > left) {
    const size_t fits = largest_that(1, wanted, [&](size_t tokens) { return solo(tokens, tokens) <= left; });
    plan.passes.solo_tokens = plan.passes.solo_longest = fits < std::min(kSmallestSolo, wanted) ? 0 : fits;
  }
  if (plan.passes.solo_tokens > 0) left -= solo(plan.passes.solo_tokens, plan.passes.solo_longest);
  plan.request_bytes = kSmallestRequest + left;
  return plan;
}

size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  size_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace bgem3
