#include "model/messages.h"

#include <gtest/gtest.h>

#include "model/test_files.h"

namespace bgem3 {
namespace {

TEST(Quote, KeepsTextAndEscapesWhatWouldBreakALine) {
  EXPECT_EQ(quote("encoder.layer.0"), "\"encoder.layer.0\"");
  EXPECT_EQ(quote("a\nb\x1b\"\\"), "\"a\\x0ab\\x1b\\x22\\x5c\"");
  EXPECT_EQ(quote("\xE6\xA8\xA1\xF0\x9F\x98\x80"), "\"\xE6\xA8\xA1\xF0\x9F\x98\x80\"");
}

TEST(Quote, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(quote("\xFF"), "\"\\xff\"");
  EXPECT_EQ(quote("\xC0\xAF"), "\"\\xc0\\xaf\"");                    // overlong
  EXPECT_EQ(quote("\xED\xA0\x80"), "\"\\xed\\xa0\\x80\"");           // a surrogate
  EXPECT_EQ(quote("\xF4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\"");  // beyond U+10FFFF
  EXPECT_EQ(quote("\xE6\xA8"), "\"\\xe6\\xa8\"");                    // cut short
}

TEST(Quote, CutsLongNames) {
  const std::string text = quote(std::string(1000, 'x'));
  EXPECT_LT(text.size(), 120u);
  EXPECT_TRUE(text.ends_with("...\""));
}

TEST(ContentHint, KnowsWebPagesAndLfsPointers) {
  EXPECT_NE(content_hint(as_bytes("\n <!DOCTYPE html>")).find("web page"), std::string::npos);
  EXPECT_NE(content_hint(as_bytes("version https://git-lfs.github.com/spec/v1\noid sha256:00")).find("LFS"),
            std::string::npos);
  EXPECT_EQ(content_hint(as_bytes("PK\x03\x04")), "");
  EXPECT_EQ(content_hint({}), "");
}

}  // namespace
}  // namespace bgem3
