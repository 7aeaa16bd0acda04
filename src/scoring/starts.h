// Texts that lie end to end: the check of where each begins.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"

namespace bgem3 {

// Throws InvalidInputError unless `starts` ascends from 0 to `count`. `unit`: what is counted.
inline void check_starts(std::span<const size_t> starts, size_t count, std::string_view unit) {
  if (starts.empty() || starts.front() != 0 || starts.back() != count) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "passages: starts go from {} to {}; expected from 0 to {}, the number of {}",
                            starts.empty() ? 0 : starts.front(), starts.empty() ? 0 : starts.back(), count, unit);
  }
  for (size_t i = 0; i + 1 < starts.size(); i++) {
    if (starts[i] > starts[i + 1]) {
      fail<InvalidInputError>(ErrorCode::invalid_input,
                              "passages: passage {} starts at {} and ends at {}; expected starts that ascend", i,
                              starts[i], starts[i + 1]);
    }
  }
}

}  // namespace bgem3
