#include "embedder/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/aligned_buffer.h"
#include "bgem3/error.h"

namespace bgem3 {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// 64 KiB a token, and as much a thread: a model of bge-m3's size.
size_t workspace_bytes(size_t tokens, size_t longest, int threads) {
  return (tokens << 16) + longest * 16 + (static_cast<size_t>(threads) << 16);
}

MemoryNeeds needs(size_t ceiling_mib, int threads = 4) {
  return {.ceiling_bytes = ceiling_mib * kMiB,
          .held_bytes = 1000 * kMiB,
          .threads = threads,
          .max_tokens = 8192,
          .pass_tokens = 0,
          .workspace_bytes = workspace_bytes};
}

// All that may be resident at once under a plan.
size_t total(const MemoryNeeds& needs, const MemoryPlan& plan) {
  const PassLimits& passes = plan.passes;
  size_t sum = needs.held_bytes + plan.request_bytes + workspace_bytes(kUrgentTokens, kUrgentTokens, needs.threads) +
               workspace_bytes(std::max(plan.longest, passes.all_tokens), plan.longest, needs.threads);
  if (passes.solo_tokens > 0) {
    sum += static_cast<size_t>(needs.threads) *
           workspace_bytes(std::max(passes.solo_tokens, passes.solo_longest), passes.solo_longest, 1);
  }
  return sum;
}

TEST(MemoryPlan, WithoutACeilingNothingIsCut) {
  const MemoryPlan plan = plan_memory(needs(0));
  EXPECT_EQ(plan.longest, 8192u);
  EXPECT_EQ(plan.passes.solo_tokens, 512u);
  EXPECT_EQ(plan.passes.solo_longest, 1024u);
  EXPECT_EQ(plan.request_bytes, SIZE_MAX);
}

TEST(MemoryPlan, EveryPlanFitsAndMoreMemoryNeverBuysLess) {
  MemoryPlan before;
  bool had_solo = false, had_none = false;
  for (size_t ceiling = 1105; ceiling < 2400; ceiling += 5) {
    for (const size_t pass_tokens : {size_t{100}, size_t{5000}, size_t{0}}) {
      MemoryNeeds wish = needs(ceiling);
      wish.pass_tokens = pass_tokens;
      const MemoryPlan plan = plan_memory(wish);
      EXPECT_LE(total(wish, plan), wish.ceiling_bytes) << ceiling << " " << pass_tokens;
      EXPECT_GE(plan.longest, 512u);
      EXPECT_GE(plan.request_bytes, 32 * kMiB);
      if (pass_tokens > 0) continue;
      EXPECT_GE(plan.longest, before.longest);
      (plan.passes.solo_tokens > 0 ? had_solo : had_none) = true;
      before = plan;
    }
  }
  EXPECT_TRUE(had_solo && had_none);
  EXPECT_EQ(before.longest, 8192u);
  EXPECT_EQ(before.passes.solo_tokens, 512u);
  EXPECT_EQ(before.passes.solo_longest, 1024u);
}

TEST(MemoryPlan, TooLittleIsAnErrorWithBothNumbers) {
  try {
    plan_memory(needs(1040));
    FAIL();
  } catch (const ResourceLimitError& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), ErrorCode::overloaded);
    EXPECT_NE(message.find(std::to_string(1040 * kMiB)), std::string::npos) << message;  // allowed
    const std::string needed = "needs ";
    const size_t bytes = std::stoull(message.substr(message.find(needed) + needed.size()));
    MemoryNeeds enough = needs(0);
    enough.ceiling_bytes = bytes;
    EXPECT_EQ(plan_memory(enough).longest, 512u);
    enough.ceiling_bytes--;
    EXPECT_THROW(plan_memory(enough), ResourceLimitError);
  }
}

TEST(ResidentBytes, GrowWithWhatIsTouched) {
  const size_t before = resident_bytes();
  EXPECT_GT(before, 0u);
  AlignedBuffer<char> buffer(64 * kMiB);
  std::memset(buffer.data(), 1, buffer.size());
  EXPECT_GE(resident_bytes(), before + 60 * kMiB);
}

}  // namespace
}  // namespace bgem3
