#include "json_record.h"

#include <gtest/gtest.h>

#include <string>

namespace bgem3::cli {
namespace {

using namespace std::string_literals;

struct Parsed {
  std::string text, id, reason;
};

Parsed parse(std::string line) {
  static JsonRecordParser parser("text", "id");
  const size_t size = line.size();
  line.resize(size + kJsonPadding, 'x');  // what follows a line must not matter
  Parsed parsed;
  parsed.reason = parser.parse({line.data(), size}, parsed.text, parsed.id);
  return parsed;
}

TEST(JsonRecord, TextAndId) {
  EXPECT_EQ(parse(R"({"text":"hello","id":"a\"b"})").text, "hello");
  EXPECT_EQ(parse(R"({"text":"hello","id":"a\"b"})").id, R"("a\"b")");
  EXPECT_EQ(parse(R"({"id":7,"text":"x"})").id, "7");
  EXPECT_EQ(parse(R"({"id":-7,"text":"x"})").id, "-7");
  EXPECT_EQ(parse(R"({"id":18446744073709551615,"text":"x"})").id, "18446744073709551615");
  EXPECT_EQ(parse(R"({"text":""})").reason, "");
  EXPECT_EQ(parse(R"({"text":"","other":[1,{"text":2}]})").id, "");
}

TEST(JsonRecord, EscapedNulDoesNotCutTheText) {
  EXPECT_EQ(parse(R"({"text":"a\u0000b"})").text, "a\0b"s);
  EXPECT_EQ(parse(R"({"text":"x","id":"a\u0000b"})").id, R"("a\u0000b")");
}

TEST(JsonRecord, SurrogatePairsAreOneCharacter) {
  EXPECT_EQ(parse(R"({"text":"\ud83d\ude00"})").text, "\xF0\x9F\x98\x80");
}

TEST(JsonRecord, Rejected) {
  struct Case {
    std::string line;
    const char* reason;
  };
  const Case cases[] = {
      {"{\"text\":\"a\0b\"}"s, "control character in a string"},
      {R"({"text":"\ud800"})", "lone surrogate"},
      {R"({"text":"\ude00x"})", "lone surrogate"},
      {"{\"text\":\"a\xFF\"}", "invalid UTF-8 at byte 10"},
      {"{\"text\":\"\xC0\x80\"}", "invalid UTF-8 at byte 9"},
      {"{\"text\":\"\xED\xA0\x80\"}", "invalid UTF-8 at byte 9"},
      {"{\"text\":\"\xF4\x90\x80\x80\"}", "invalid UTF-8 at byte 9"},
      {R"({"text":"a","text":"b"})", "field \"text\" occurs twice"},
      {R"({"id":1,"text":"a","id":1})", "field \"id\" occurs twice"},
      {R"({"te\u0078t":"a","text":"b"})", "field \"text\" occurs twice"},
      {R"({"id":1})", "no field \"text\""},
      {R"({"text":5})", "field \"text\" must be a string, found an integer"},
      {R"({"text":null})", "field \"text\" must be a string, found null"},
      {R"({"text":["a"]})", "field \"text\" must be a string, found an array"},
      {R"({"text":"a","id":1.5})", "field \"id\" must be a string or an integer, found a number"},
      {R"({"text":"a","id":null})", "field \"id\" must be a string or an integer, found null"},
      {R"({"text":"a","id":{}})", "field \"id\" must be a string or an integer, found an object"},
      {R"({"text":"a","id":18446744073709551616})", "invalid JSON"},
      {R"({"text":"a","n":1e400})", "invalid JSON"},
      {R"({"text":"a","n":NaN})", "invalid JSON"},
      {R"({"text":"a"} x)", "invalid JSON"},
      {R"({"text":"a"}{"text":"b"})", "invalid JSON"},
      {R"({"text":"a")", "invalid JSON"},
      {R"({"text":"a)", "invalid JSON"},
      {R"(["a"])", "expected a JSON object, found an array"},
      {R"("a")", "expected a JSON object, found a string"},
      {"", "invalid JSON"},
  };
  for (const Case& c : cases) {
    const std::string reason = parse(c.line).reason;
    EXPECT_NE(reason.find(c.reason), std::string::npos) << c.line << " -> " << reason;
    EXPECT_EQ(reason.find('\n'), std::string::npos);
  }
}

TEST(JsonRecord, DeepNestingIsRejectedNotRun) {
  const auto nested = [](size_t depth) {
    return R"({"text":"a","x":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(parse(nested(1000)).reason, "");
  EXPECT_NE(parse(nested(1100)).reason.find("nested deeper than 1024 levels"), std::string::npos);
  EXPECT_NE(parse(nested(5'000'000)).reason.find("nested deeper than 1024 levels"), std::string::npos);
  EXPECT_EQ(parse(R"({"text":"still works"})").text, "still works");
}

TEST(JsonRecord, TheIdIsKnownAlsoOfRejectedRecords) {
  const Parsed parsed = parse(R"({"id":"k","text":5})");
  EXPECT_EQ(parsed.id, "\"k\"");
  EXPECT_NE(parsed.reason, "");
}

TEST(JsonRecord, OtherFieldNames) {
  JsonRecordParser parser("body", "body");  // one field may be both
  std::string line = R"({"body":"x","text":5})";
  const size_t size = line.size();
  line.resize(size + kJsonPadding);
  std::string text, id;
  EXPECT_EQ(parser.parse({line.data(), size}, text, id), "");
  EXPECT_EQ(text, "x");
  EXPECT_EQ(id, "\"x\"");
}

}  // namespace
}  // namespace bgem3::cli
