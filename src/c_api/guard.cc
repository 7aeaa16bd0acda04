#include "c_api/guard.h"

namespace bgem3::c_api {

namespace {

thread_local std::string last_message;

}  // namespace

bgem3_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_input:
      return BGEM3_INVALID_INPUT;
    case ErrorCode::not_found:
      return BGEM3_NOT_FOUND;
    case ErrorCode::corrupt:
      return BGEM3_CORRUPT;
    case ErrorCode::unsupported:
      return BGEM3_UNSUPPORTED;
    case ErrorCode::io:
      return BGEM3_IO;
    case ErrorCode::overloaded:
      return BGEM3_OVERLOADED;
    case ErrorCode::cancelled:
      return BGEM3_CANCELLED;
    case ErrorCode::internal:
      return BGEM3_INTERNAL;
  }
  return BGEM3_INTERNAL;
}

bgem3_status failed(bgem3_status status, const char* message) noexcept {
  try {
    last_message = message;
  } catch (const std::bad_alloc&) {
    last_message = "out of memory";  // fits in the string itself
  }
  return status;
}

const char* last_error() noexcept { return last_message.c_str(); }

}  // namespace bgem3::c_api
