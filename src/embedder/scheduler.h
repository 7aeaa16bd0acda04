// Cuts texts into passes over the encoder. Start at schedule.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace bgem3 {

// What passes may be.
struct PassLimits {
  int threads = 1;
  size_t solo_tokens = 0;   // most tokens of a solo pass of several texts; 0: there are no solo passes
  size_t solo_longest = 0;  // longest text of a solo pass
  size_t all_tokens = 0;    // most tokens of an `all` pass of several texts
};

// Which texts of a request are scheduled.
enum class Part {
  whole,   // all of them
  middle,  // some, and more will follow
  last,    // the rest
};

struct Pass {
  JobKind kind;
  std::vector<size_t> texts;  // indices
  bool operator==(const Pass&) const = default;
};

// A request up to this many tokens is urgent: about as long as reading the weights for it takes, it can interrupt
// others without harming them.
constexpr size_t kUrgentTokens = 128;

// Every text once, longest first (equal ones in the caller's order). In front are `all` passes: of texts too long for a
// solo pass, and of those that would keep one thread busy while others have nothing left (a lone text, the third of
// three). The others become solo passes that shrink towards the end, so that all threads end at about the same time,
// however fast each is. What is too little for a pass a thread joins the `all` passes, or is an urgent one.
// Since a text's vector does not depend on its pass, only speed and memory depend on this.
//   tokens: [texts], the number of tokens of each, at least 1.
std::vector<Pass> schedule(std::span<const size_t> tokens, const PassLimits& limits, Part part);

}  // namespace bgem3
