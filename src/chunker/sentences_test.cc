#include "chunker/sentences.h"

#include <gtest/gtest.h>

#include "chunker/break_test_file.h"

namespace bgem3 {
namespace {

using test::Parts;

Parts sentences(const std::string& text, LineEnd line_end = LineEnd::space) {
  return test::parts(text, [&](std::string_view all, size_t begin) { return sentence_end(all, begin, line_end); });
}

TEST(Sentences, PassUnicodesOwnTests) {
  const auto cases = test::break_cases("SentenceBreakTest.txt");
  if (cases.empty()) GTEST_SKIP() << "install unicode-data (tools/install_packages tests/debian-packages.txt)";
  EXPECT_GT(cases.size(), 400u);
  for (const Parts& expected : cases) EXPECT_EQ(sentences(test::join(expected), LineEnd::ends_sentence), expected);
}

TEST(Sentences, EndBehindTerminatorsQuotesAndSpaces) {
  EXPECT_EQ(sentences("He came. “Why?” She knew!  Nobody else."),
            (Parts{"He came. ", "“Why?” ", "She knew!  ", "Nobody else."}));
  EXPECT_EQ(sentences("今日は。明日も！"), (Parts{"今日は。", "明日も！"}));
  EXPECT_EQ(sentences("यह है। वह भी।"), (Parts{"यह है। ", "वह भी।"}));
}

TEST(Sentences, GoOnBehindAbbreviationsAndNumbers) {
  EXPECT_EQ(sentences("3.14 is U.S. law, e.g. here. Done"), (Parts{"3.14 is U.S. law, e.g. here. ", "Done"}));
  EXPECT_EQ(sentences("(see fig. 3, p. 12) and so on"), Parts{"(see fig. 3, p. 12) and so on"});
}

TEST(Sentences, LineEndsAreSpacesOrEndThem) {
  EXPECT_EQ(sentences("wrapped\nby hand.\r\nNext"), (Parts{"wrapped\nby hand.\r\n", "Next"}));
  EXPECT_EQ(sentences("a\nb\r\nc", LineEnd::ends_sentence), (Parts{"a\n", "b\r\n", "c"}));
  EXPECT_EQ(sentences("a\u2029b"), (Parts{"a\u2029", "b"}));  // the paragraph separator always does
}

TEST(Sentences, TakeLinearTimeWhereRulesLookAhead) {
  std::string text;
  for (int i = 0; i < 1'000'000; ++i) text += ".)";
  EXPECT_EQ(sentences(text), Parts{text});
  EXPECT_EQ(sentences("A." + std::string(2'000'000, '1')).size(), 1u);
}

}  // namespace
}  // namespace bgem3
