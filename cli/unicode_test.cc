#include "unicode.h"

#include <gtest/gtest.h>

namespace bgem3::cli {
namespace {

using namespace std::string_view_literals;

TEST(DecodeUtf8, EveryScalarValueRoundTrips) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string bytes;
    append_utf8(bytes, c);
    const CodePoint point = decode_utf8(bytes, 0);
    ASSERT_TRUE(point.valid) << std::hex << static_cast<unsigned>(c);
    ASSERT_EQ(point.value, c);
    ASSERT_EQ(point.bytes, bytes.size());
  }
}

TEST(DecodeUtf8, IllFormedPartsAreMaximal) {
  struct Case {
    std::string_view bytes;
    size_t length;
  };
  const Case cases[] = {
      {"\x80", 1},              // a continuation alone
      {"\xC0\x80", 1},          // overlong NUL
      {"\xE0\x80\x80", 1},      // overlong
      {"\xE2\x82", 2},          // cut short
      {"\xE2\x82z", 2},         // cut short by a letter
      {"\xED\xA0\x80", 1},      // a surrogate
      {"\xF0\x9F\x98", 3},      // cut short
      {"\xF4\x90\x80\x80", 1},  // above 10FFFF
      {"\xFF", 1},
  };
  for (const Case& c : cases) {
    const CodePoint point = decode_utf8(c.bytes, 0);
    EXPECT_FALSE(point.valid);
    EXPECT_EQ(point.bytes, c.length);
  }
}

TEST(FindInvalidUtf8, NamesTheByte) {
  EXPECT_EQ(find_invalid_utf8("ab\xC3\xA9"), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("ab\xC3\xA9\xFFz"), 4u);
  EXPECT_EQ(find_invalid_utf8(""), std::string_view::npos);
}

TEST(Printable, EscapesWhatActsOnATerminal) {
  EXPECT_EQ(printable("plain text"), "plain text");
  EXPECT_EQ(printable("\xC3\xA9t\xC3\xA9"), "\xC3\xA9t\xC3\xA9");
  EXPECT_EQ(printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(printable("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(printable("nul\0x"sv), "nul\\x00x");
  EXPECT_EQ(printable("\xC2\x9B"), "\\u{9b}");  // C1: another way to begin a control sequence
  EXPECT_EQ(printable("a\xE2\x80\xAE"
                      "b"),
            "a\\u{202e}b");  // right-to-left override
  EXPECT_EQ(printable("\xFFz"), "\\xffz");
}

TEST(Printable, CutsAtCodePoints) {
  EXPECT_EQ(printable("\xC3\xA9\xC3\xA9\xC3\xA9", 2), "\xC3\xA9\xC3\xA9...");
  EXPECT_EQ(printable("ab", 2), "ab");
}

}  // namespace
}  // namespace bgem3::cli
