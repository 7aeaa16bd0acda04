#include "failure.h"

#include <gtest/gtest.h>

#include <csignal>
#include <new>

namespace bgem3::cli {
namespace {

const ErrorCode kAllCodes[] = {ErrorCode::invalid_input, ErrorCode::not_found, ErrorCode::corrupt,
                               ErrorCode::unsupported,   ErrorCode::io,        ErrorCode::overloaded,
                               ErrorCode::cancelled,     ErrorCode::internal};

TEST(ExitCode, EveryCodeOfAModelErrorIsAModelProblem) {
  for (ErrorCode code : kAllCodes) EXPECT_EQ(exit_code(ModelLoadingError(code, "m")), 5) << to_string(code);
}

TEST(ExitCode, OptionsThatFitNoTextAreUsage) {
  for (ErrorCode code : kAllCodes) EXPECT_EQ(exit_code(InvalidInputError(code, "m")), 2) << to_string(code);
}

TEST(ExitCode, EveryOtherErrorOfTheLibraryIsAFailure) {
  for (ErrorCode code : kAllCodes) {
    EXPECT_EQ(exit_code(EmbeddingGenerationError(code, "m")), 1) << to_string(code);
    EXPECT_EQ(exit_code(InferenceError(code, "m")), 1) << to_string(code);
    EXPECT_EQ(exit_code(QualityValidationError(code, "m")), 1) << to_string(code);
    EXPECT_EQ(exit_code(ResourceLimitError(code, "m")), 1) << to_string(code);
  }
}

TEST(ExitCode, ErrorsOfTheProgram) {
  EXPECT_EQ(exit_code(UsageError("m")), 2);
  EXPECT_EQ(exit_code(InputError("m")), 1);
  EXPECT_EQ(exit_code(OutputError("m")), 4);
  EXPECT_EQ(exit_code(Interrupted(SIGINT, "m")), 130);
  EXPECT_EQ(exit_code(Interrupted(SIGTERM, "m")), 143);
  EXPECT_EQ(exit_code(std::bad_alloc()), 1);
}

}  // namespace
}  // namespace bgem3::cli
