#include "json_writer.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace bgem3::cli {
namespace {

using namespace std::string_view_literals;

std::string write(float number) {
  std::string out;
  JsonWriter(out).value(number);
  return out;
}

TEST(JsonWriter, NestsAndSeparates) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("id").value("a");
  json.key("list").begin_array().value(1).value(2).begin_object().end_object().end_array();
  json.key("empty").begin_array().end_array();
  json.key("yes").value(true);
  json.key("n").value(-5).key("big").value(UINT64_MAX).key("least").value(INT64_MIN);
  json.end_object();
  EXPECT_EQ(out, R"({"id":"a","list":[1,2,{}],"empty":[],"yes":true,"n":-5,"big":18446744073709551615,)"
                 R"("least":-9223372036854775808})");
}

TEST(JsonWriter, StringsAreEscaped) {
  EXPECT_EQ(json_string("a\"b\\c\n\r\t\x01"), R"("a\"b\\c\n\r\t\u0001")");
  EXPECT_EQ(json_string("nul\0end"sv), R"("nul\u0000end")");
  EXPECT_EQ(json_string("\xC3\xA9\xF0\x9F\x98\x80"), "\"\xC3\xA9\xF0\x9F\x98\x80\"");
  EXPECT_EQ(json_string(""), "\"\"");
}

TEST(JsonWriter, IllFormedBytesBecomeTheReplacementCharacter) {
  EXPECT_EQ(json_string("a\xFFz"), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ(json_string("\xE2\x82"), "\"\xEF\xBF\xBD\"");
}

TEST(JsonWriter, FloatsAreShort) {
  EXPECT_EQ(write(0.1f), "0.1");
  EXPECT_EQ(write(1.0f), "1");
  EXPECT_EQ(write(-0.0f), "-0");
  EXPECT_EQ(write(std::numeric_limits<float>::max()), "3.4028235e+38");
  EXPECT_EQ(write(std::nanf("")), "null");
  EXPECT_EQ(write(std::numeric_limits<float>::infinity()), "null");
}

// Whoever reads the number as a double and rounds it to float32 (as NumPy does) gets the same bits.
TEST(JsonWriter, FloatsReadBackToTheSameBits) {
  std::mt19937 random(7);
  simdjson::dom::parser parser;
  for (int i = 0; i < 200000; ++i) {
    const float number = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (!std::isfinite(number)) continue;
    const std::string text = write(number);
    float back = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), back);
    ASSERT_EQ(result.ptr, text.data() + text.size());
    ASSERT_EQ(std::bit_cast<uint32_t>(back), std::bit_cast<uint32_t>(number)) << text;
    const double wide = parser.parse(text);
    ASSERT_EQ(std::bit_cast<uint32_t>(static_cast<float>(wide)), std::bit_cast<uint32_t>(number)) << text;
  }
}

TEST(JsonWriter, ArrayOfFloats) {
  std::string out;
  const std::vector<float> numbers = {0.5f, -2.0f, 1e-7f};
  JsonWriter(out).value(std::span<const float>(numbers));
  EXPECT_EQ(out, "[0.5,-2,1e-07]");
}

}  // namespace
}  // namespace bgem3::cli
