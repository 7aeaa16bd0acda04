// What the tests of this module share: the check of a refusal.
#pragma once

#include <functional>
#include <string>

#include "bgem3/error.h"

namespace bgem3 {

// True if the call throws an InvalidInputError whose message has this part.
inline bool is_refused(const std::function<void()>& call, const std::string& part) {
  try {
    call();
  } catch (const InvalidInputError& error) {
    return error.code() == ErrorCode::invalid_input && std::string(error.what()).find(part) != std::string::npos;
  }
  return false;
}

}  // namespace bgem3
