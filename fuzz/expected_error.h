// What a parser may do with hostile bytes: answer, or throw one of the library's own errors with a message of one line.
#pragma once

#include <cstdlib>
#include <string_view>

#include "bgem3/error.h"

namespace bgem3 {

// Runs `action`; anything but success or such an error ends the process, which is a finding.
template <typename Action>
void expect_answer_or_error(const Action& action) {
  try {
    action();
  } catch (const EmbeddingGenerationError& error) {
    const std::string_view message = error.what();
    if (error.code() == ErrorCode::internal || message.empty() || message.find('\n') != std::string_view::npos)
      std::abort();
  }
}

}  // namespace bgem3
