// Where exceptions end and options of other versions are read: what every function of bgem3.h goes through.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "bgem3/bgem3.h"
#include "bgem3/error.h"

namespace bgem3::c_api {

bgem3_status status_of(ErrorCode code);

// Keeps the message for bgem3_last_error on this thread, and returns the status.
bgem3_status failed(bgem3_status status, const char* message) noexcept;

const char* last_error() noexcept;

// Runs a function; whatever it throws becomes a status and a message.
template <typename Function>
bgem3_status guarded(Function&& function) noexcept {
  try {
    function();
    return BGEM3_OK;
  } catch (const EmbeddingGenerationError& error) {
    return failed(status_of(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return failed(BGEM3_OVERLOADED, "out of memory");
  } catch (const std::length_error&) {  // a container of more elements than there can be
    return failed(BGEM3_OVERLOADED, "out of memory");
  } catch (const std::exception& error) {
    return failed(BGEM3_INTERNAL, error.what());
  } catch (...) {
    return failed(BGEM3_INTERNAL, "an exception of no standard type");
  }
}

// The options of a caller that was compiled with this, an older or a newer bgem3.h, or NULL: what it does not know is
// zero. Throws InvalidInputError if struct_size is none, or a field is set that this library does not know.
template <typename Options>
Options read_options(const Options* given, const std::string& name) {
  constexpr size_t kMostBytes = 4096;  // more is memory that nobody initialised
  Options options{};
  if (!given) return options;
  const size_t size = given->struct_size;
  if (size < sizeof(size_t) || size > kMostBytes || size % alignof(Options) != 0) {
    throw InvalidInputError(ErrorCode::invalid_input, name + ".struct_size: expected sizeof(" + name + "), which is " +
                                                          std::to_string(sizeof(Options)) + ", found " +
                                                          std::to_string(size));
  }
  std::memcpy(&options, given, std::min(size, sizeof(Options)));
  const char* const bytes = reinterpret_cast<const char*>(given);
  if (size > sizeof(Options) && std::any_of(bytes + sizeof(Options), bytes + size, [](char c) { return c != 0; })) {
    throw InvalidInputError(ErrorCode::unsupported,
                            name + ": a field is set that version " BGEM3_VERSION
                                   " of the library does not know; leave it 0, or install the version of the bgem3.h "
                                   "that the program was compiled with");
  }
  return options;
}

}  // namespace bgem3::c_api
