// How the library throws: fail<ModelLoadingError>(code, "{}: ...", args). Messages follow include/bgem3/error.h.
#pragma once

#include <fmt/format.h>

#include <utility>

#include "bgem3/error.h"

namespace bgem3 {

// Throws Error with a formatted message of one line: what failed, where, expected against found, what to do.
template <typename Error, typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// Reports what only a programmer can get wrong. Throws EmbeddingGenerationError (internal).
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace bgem3

#define BGEM3_CHECK(condition) ((condition) ? void() : ::bgem3::check_failed(#condition, __FILE_NAME__, __LINE__))
