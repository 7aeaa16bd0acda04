// How a memory ceiling is divided before any work begins. Start at plan_memory.
#pragma once

#include <cstddef>
#include <functional>

#include "embedder/scheduler.h"

namespace bgem3 {

struct MemoryNeeds {
  size_t ceiling_bytes = 0;  // of the process's resident memory; 0: none
  size_t held_bytes = 0;     // what the process holds without any pass: program, weights with all their pages, tables
  int threads = 1;
  size_t max_tokens = 0;   // the model's limit
  size_t pass_tokens = 0;  // the caller's wish for the size of passes; 0: none
  // The buffers of a pass of that many tokens and longest text, for a team of so many threads; grows with all three.
  std::function<size_t(size_t tokens, size_t longest, int threads)> workspace_bytes = {};
};

struct MemoryPlan {
  PassLimits passes;
  size_t longest = 0;        // longest text that can be computed, in tokens
  size_t request_bytes = 0;  // for the results and ids of all requests in progress
};

// What fits at the same time: one workspace for urgent passes, one for `all` passes, one a thread for solo passes, and
// the requests. The longest text comes first, then the size of solo passes; what is left is for the requests. Where the
// solo workspaces do not fit there are only `all` passes, which are a little slower.
// Throws ResourceLimitError, with what is needed and what is allowed, if not even texts of 512 tokens fit.
MemoryPlan plan_memory(const MemoryNeeds& needs);

// Resident memory of this process now.
size_t resident_bytes();

}  // namespace bgem3
