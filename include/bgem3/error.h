// The errors of bgem3: one base class with a code, and what each subclass is for. Start at EmbeddingGenerationError.
#pragma once

#include <stdexcept>
#include <string>

#pragma GCC visibility push(default)
namespace bgem3 {

// What kind of thing went wrong. Few, stable: front ends map them to exit codes, HTTP statuses and Python exceptions.
enum class ErrorCode {
  invalid_input,  // a request, option or text that cannot be served as given
  not_found,      // a file, model, revision or name that is not there
  corrupt,        // a file whose content contradicts itself or its neighbours
  unsupported,    // well-formed, but a component or option that bgem3 does not run
  io,             // the operating system refused to read or write
  overloaded,     // a limit (memory, size, count) would be exceeded
  cancelled,      // the caller's stop token was triggered before this text was computed
  internal,       // a non-finite value, or a bug in bgem3
};

// The code's name as written above, for messages and JSON. Never null; static storage.
const char* to_string(ErrorCode code);

// Base class of every exception that bgem3 throws.
// what() is one line of text: what failed, where (file, tensor, byte, field, index), expected against found, what to
// do.
class EmbeddingGenerationError : public std::runtime_error {
 public:
  EmbeddingGenerationError(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// Model or tokenizer files: missing, corrupt, unsupported, or disagreeing with each other.
class ModelLoadingError : public EmbeddingGenerationError {
 public:
  using EmbeddingGenerationError::EmbeddingGenerationError;
};

// The computation itself failed, for example a value that is not finite.
class InferenceError : public EmbeddingGenerationError {
 public:
  using EmbeddingGenerationError::EmbeddingGenerationError;
};

// Results that do not meet the quality that the caller asked for.
class QualityValidationError : public EmbeddingGenerationError {
 public:
  using EmbeddingGenerationError::EmbeddingGenerationError;
};

// A request, option or text that cannot be served as given.
class InvalidInputError : public EmbeddingGenerationError {
 public:
  using EmbeddingGenerationError::EmbeddingGenerationError;
};

// A stated limit would be exceeded; the message carries the limit and what was asked for.
class ResourceLimitError : public EmbeddingGenerationError {
 public:
  using EmbeddingGenerationError::EmbeddingGenerationError;
};

}  // namespace bgem3
#pragma GCC visibility pop
