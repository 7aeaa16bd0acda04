#include <gtest/gtest.h>

#include "tokenizer/tokenizer_json.h"

namespace bgem3 {
namespace {

TEST(SerdeNumber, ShortNumbersAreExact) {
  EXPECT_EQ(parse_number_as_serde("0"), 0.0);
  EXPECT_EQ(parse_number_as_serde("-12"), -12.0);
  EXPECT_EQ(parse_number_as_serde("-3.5"), -3.5);
  EXPECT_EQ(parse_number_as_serde("1e3"), 1000.0);
  EXPECT_EQ(parse_number_as_serde("25E-1"), 2.5);
  EXPECT_EQ(parse_number_as_serde("1.5e+2"), 150.0);
}

// One rounding of the digits, one of the quotient.
TEST(SerdeNumber, LongNumbersAreDigitsOverAPower) {
  EXPECT_EQ(parse_number_as_serde("-3.4635426998138428"), -34635426998138428.0 / 1e16);
  EXPECT_EQ(parse_number_as_serde("-20.364751815795898"), -20364751815795898.0 / 1e15);
  EXPECT_EQ(parse_number_as_serde("-9.4999999999999989"), -94999999999999989.0 / 1e16);
}

TEST(SerdeNumber, DigitsBeyond64BitsAreIgnored) {
  EXPECT_EQ(parse_number_as_serde("0.12345678901234567890999"), 12345678901234567890.0 / 1e20);
  EXPECT_EQ(parse_number_as_serde("123456789012345678901234"), 12345678901234567890.0 * 1e4);
  // 18446744073709551616 does not fit with its last digit, but with the first digit of the fraction instead.
  EXPECT_EQ(parse_number_as_serde("18446744073709551616.5"), 18446744073709551615.0);
}

TEST(SerdeNumber, ExtremeExponents) {
  EXPECT_EQ(parse_number_as_serde("1e-310"), 1 / 1e308 / 1e2);
  EXPECT_EQ(parse_number_as_serde("1e-999"), 0.0);
  EXPECT_EQ(parse_number_as_serde("0e999"), 0.0);
  EXPECT_FALSE(parse_number_as_serde("1e309"));
  EXPECT_FALSE(parse_number_as_serde("9e308"));
}

}  // namespace
}  // namespace bgem3
