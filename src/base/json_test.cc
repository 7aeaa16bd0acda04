#include "base/json.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace bgem3 {
namespace {

std::string error_of(std::string_view text) {
  try {
    Json::parse(text, "test.json");
  } catch (const ModelLoadingError& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    return error.what();
  }
  return "";
}

TEST(Json, ReadsEveryType) {
  const Json json = Json::parse(R"({"a": [1, -2.5e3, "x\u00e9\u0000y", true, null], "b": {}})", "test.json");
  const auto& array = json.at("a").elements();
  EXPECT_EQ(array[0].integer(), 1u);
  EXPECT_EQ(array[1].number(), -2500);
  EXPECT_EQ(array[1].number_text(), "-2.5e3");
  EXPECT_EQ(array[2].string(), std::string("xé\0y", 5));
  EXPECT_TRUE(array[3].boolean());
  EXPECT_TRUE(array[4].is_null());
  EXPECT_TRUE(json.at("b").members().empty());
  EXPECT_EQ(json.find("c"), nullptr);
}

TEST(Json, KeepsTheOrderOfMembers) {
  const Json json = Json::parse(R"({"z": 1, "a": 2})", "test.json");
  EXPECT_EQ(json.members()[0].first, "z");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text : {"", "{", "[1,]", "{\"a\":1}x", "{\"a\" 1}", "[nul]", "[tru]", "[01]", "[1.]", "[\"\x80\"]",
                           "[\"\\ud800\"]", "[\"a\tb\"]", "[NaN]", "[1] [2]", "<html>"}) {
    EXPECT_NE(error_of(text).find("test.json"), std::string::npos) << text;
  }
}

TEST(Json, RefusesDuplicateKeys) { EXPECT_NE(error_of(R"({"a": 1, "a": 2})").find("\"a\""), std::string::npos); }

TEST(Json, RefusesDeepNesting) { EXPECT_NE(error_of(std::string(100000, '[')), ""); }

TEST(Json, NamesTheByteOfAWrongType) {
  const Json json = Json::parse(R"({"a": "text"})", "test.json");
  try {
    json.at("a").integer();
    FAIL();
  } catch (const ModelLoadingError& error) {
    EXPECT_STREQ(error.what(), "test.json: byte 6: expected a number, found a string");
  }
}

TEST(Json, IntegersAreWholeAndBounded) {
  const Json json = Json::parse("[1.5, -1, 1e3, 256, 18446744073709551616]", "test.json");
  for (const Json& element : json.elements()) EXPECT_THROW(element.integer(255), ModelLoadingError);
}

}  // namespace
}  // namespace bgem3
