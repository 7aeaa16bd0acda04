#include "base/error.h"

namespace bgem3 {

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_input:
      return "invalid_input";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::corrupt:
      return "corrupt";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::io:
      return "io";
    case ErrorCode::overloaded:
      return "overloaded";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

void check_failed(const char* condition, const char* file, int line) {
  fail<EmbeddingGenerationError>(ErrorCode::internal,
                                 "{}:{}: '{}' does not hold; this is a bug in bgem3, please report it", file, line,
                                 condition);
}

}  // namespace bgem3
