#include "base/checked.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace bgem3 {
namespace {

TEST(Checked, AddsUntilTheLastValue) {
  EXPECT_EQ(checked_add(SIZE_MAX - 1, 1), SIZE_MAX);
  EXPECT_EQ(checked_add(SIZE_MAX, 1), std::nullopt);
  EXPECT_EQ(checked_add(SIZE_MAX, SIZE_MAX), std::nullopt);
}

TEST(Checked, MultipliesUntilTheLastValue) {
  EXPECT_EQ(checked_multiply(size_t{1} << 32, (size_t{1} << 32) - 1), (SIZE_MAX >> 32) << 32);
  EXPECT_EQ(checked_multiply(size_t{1} << 32, size_t{1} << 32), std::nullopt);
  EXPECT_EQ(checked_multiply(0, SIZE_MAX), 0u);
}

}  // namespace
}  // namespace bgem3
