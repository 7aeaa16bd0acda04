#include "base/error.h"

#include <gtest/gtest.h>

#include <string>

namespace bgem3 {
namespace {

TEST(Error, EveryCodeHasAName) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); code++) {
    EXPECT_STRNE(to_string(static_cast<ErrorCode>(code)), "");
  }
}

TEST(Error, CarriesCodeAndMessageUnderOneBase) {
  try {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: {} bytes, expected {}", "model.safetensors", 3, 8);
    FAIL();
  } catch (const EmbeddingGenerationError& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_STREQ(error.what(), "model.safetensors: 3 bytes, expected 8");
  }
}

TEST(Error, CheckThrowsInternal) {
  EXPECT_NO_THROW(BGEM3_CHECK(1 + 1 == 2));
  try {
    BGEM3_CHECK(1 + 1 == 3);
    FAIL();
  } catch (const EmbeddingGenerationError& error) {
    EXPECT_EQ(error.code(), ErrorCode::internal);
    EXPECT_NE(std::string(error.what()).find("1 + 1 == 3"), std::string::npos);
  }
}

}  // namespace
}  // namespace bgem3
