#include "tokenizer/graphemes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tokenizer/utf8.h"

namespace bgem3 {
namespace {

// The number of code points in each cluster.
std::vector<size_t> clusters(std::u32string_view text) {
  std::string bytes;
  for (const char32_t c : text) bytes += utf8::Bytes(c).view();
  std::vector<size_t> sizes;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = grapheme_cluster_end(bytes, at);
    size_t count = 0;
    for (; at < end; at += utf8::length(bytes[at])) ++count;
    EXPECT_EQ(at, end);
    sizes.push_back(count);
  }
  return sizes;
}

using Sizes = std::vector<size_t>;

TEST(Graphemes, ControlsStandAlone) {
  EXPECT_EQ(clusters(U"a\r\nb"), (Sizes{1, 2, 1}));
  EXPECT_EQ(clusters(U"\n\r\u0301"), (Sizes{1, 1, 1}));
  EXPECT_EQ(clusters(U"\u200B\u0301"), (Sizes{1, 1}));
}

TEST(Graphemes, MarksJoinWhatComesBefore) {
  EXPECT_EQ(clusters(U"e\u0301\u0302f"), (Sizes{3, 1}));
  EXPECT_EQ(clusters(U"\u0915\u093E"), Sizes{2});   // SpacingMark
  EXPECT_EQ(clusters(U"\u0600a"), Sizes{2});        // Prepend
  EXPECT_EQ(clusters(U"a\u200Db"), (Sizes{2, 1}));  // ZWJ joins before only
  EXPECT_EQ(clusters(U"\uFF76\uFF9E"), Sizes{2});   // half-width voicing mark
}

TEST(Graphemes, HangulSyllables) {
  EXPECT_EQ(clusters(U"\u1112\u1161\u11AB\u1100"), (Sizes{3, 1}));
  EXPECT_EQ(clusters(U"\uAC00\u11A8\uAC01\u11A8\u1161"), (Sizes{2, 2, 1}));
}

TEST(Graphemes, FlagsArePairs) {
  EXPECT_EQ(clusters(U"\U0001F1E9\U0001F1EA\U0001F1EB\U0001F1F7\U0001F1EE"), (Sizes{2, 2, 1}));
}

TEST(Graphemes, EmojiSequences) {
  EXPECT_EQ(clusters(U"\U0001F469\U0001F3FD\u200D\U0001F469\u200D\U0001F467"), Sizes{6});
  EXPECT_EQ(clusters(U"a\u200D\U0001F469"), (Sizes{2, 1}));
  EXPECT_EQ(clusters(U"\u2764\uFE0F\u200D\U0001F525x"), (Sizes{4, 1}));
  EXPECT_EQ(clusters(U"\U0001F469\u200D\u200D\U0001F469"), (Sizes{3, 1}));
}

TEST(Graphemes, IndicConjuncts) {
  EXPECT_EQ(clusters(U"\u0915\u094D\u0937"), Sizes{3});
  EXPECT_EQ(clusters(U"\u0915\u093C\u200D\u094D\u0937\u094D\u0930"), Sizes{7});
  EXPECT_EQ(clusters(U"\u0915\u094Da"), (Sizes{2, 1}));
  EXPECT_EQ(clusters(U"\u0915\u0937"), (Sizes{1, 1}));
  EXPECT_EQ(clusters(U"\u0B95\u0BCD\u0BB7"), (Sizes{2, 1}));  // Tamil has no conjuncts here
}

TEST(Graphemes, ManyMarksAreOneCluster) {
  EXPECT_EQ(clusters(U"a" + std::u32string(100'000, U'\u0301')), Sizes{100'001});
}

}  // namespace
}  // namespace bgem3
