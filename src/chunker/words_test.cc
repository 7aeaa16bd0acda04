#include "chunker/words.h"

#include <gtest/gtest.h>

#include "chunker/break_test_file.h"

namespace bgem3 {
namespace {

using test::Parts;

Parts words(const std::string& text) { return test::parts(text, word_end); }

TEST(Words, PassUnicodesOwnTests) {
  const auto cases = test::break_cases("WordBreakTest.txt");
  if (cases.empty()) GTEST_SKIP() << "install unicode-data (tools/install_packages tests/debian-packages.txt)";
  EXPECT_GT(cases.size(), 1000u);
  for (const Parts& expected : cases) EXPECT_EQ(words(test::join(expected)), expected);
}

TEST(Words, KeepApostrophesAndNumbersTogether) {
  EXPECT_EQ(words("can't pay 3,141.5 now"), (Parts{"can't", " ", "pay", " ", "3,141.5", " ", "now"}));
  EXPECT_EQ(words("a/b.c"), (Parts{"a", "/", "b.c"}));
}

TEST(Words, DivideScriptsWithoutSpaces) {
  EXPECT_EQ(words("海は広い"), (Parts{"海", "は", "広", "い"}));
  EXPECT_EQ(words("カタカナ語"), (Parts{"カタカナ", "語"}));
}

TEST(Words, KeepMarksJoinersAndFlagsTogether) {
  EXPECT_EQ(words("e\u0301a"), Parts{"e\u0301a"});
  EXPECT_EQ(words("👩‍👧🇩🇪🇫🇷"), (Parts{"👩‍👧", "🇩🇪", "🇫🇷"}));
}

TEST(Words, TakeLinearTimeWhereRulesLookAhead) {
  std::string marks;
  for (int i = 0; i < 1'000'000; ++i) marks += "\u0301";
  EXPECT_EQ(words("a:" + marks + "1").size(), 3u);
}

}  // namespace
}  // namespace bgem3
