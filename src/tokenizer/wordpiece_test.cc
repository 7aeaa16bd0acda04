#include "tokenizer/wordpiece.h"

#include <gtest/gtest.h>

namespace bgem3 {
namespace {

using Tokens = std::vector<Token>;

Tokens encode(const WordPiece& model, std::string_view word, const uint8_t* excluded = nullptr) {
  Tokens tokens;
  model.encode(word, excluded, tokens);
  return tokens;
}

TEST(WordPiece, TakesTheLongestFromTheLeft) {
  const WordPiece model({"[UNK]", "un", "##aff", "##able", "##a", "unaf"}, {0, 1, 2, 3, 4, 5}, {0, "##", 100});
  EXPECT_EQ(encode(model, "unaffable"), (Tokens{{0, 0, 9}}));  // unaf, then no ##fable
  EXPECT_EQ(encode(model, "unable"), (Tokens{{1, 0, 2}, {3, 2, 6}}));
  EXPECT_EQ(encode(model, "una"), (Tokens{{1, 0, 2}, {4, 2, 3}}));
  EXPECT_EQ(encode(model, "x"), (Tokens{{0, 0, 1}}));
  EXPECT_EQ(encode(model, "##a"), (Tokens{{4, 0, 3}}));  // a word may spell a continuing piece
  EXPECT_EQ(encode(model, ""), Tokens{});
}

TEST(WordPiece, LongWordsAreUnknown) {
  const WordPiece model({"[UNK]", "\xC3\xA9", "##\xC3\xA9"}, {0, 1, 2}, {0, "##", 3});
  EXPECT_EQ(encode(model, "\xC3\xA9\xC3\xA9\xC3\xA9").size(), 3u);
  EXPECT_EQ(encode(model, "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"), (Tokens{{0, 0, 8}}));
}

TEST(WordPiece, OtherPrefixes) {
  const WordPiece same({"u", "a", "ab"}, {0, 1, 2}, {0, "", 100});
  EXPECT_EQ(encode(same, "aba"), (Tokens{{2, 0, 2}, {1, 2, 3}}));
  const WordPiece none({"u", "a"}, {0, 1}, {0, "@@", 100});
  EXPECT_EQ(encode(none, "aa"), (Tokens{{0, 0, 2}}));
  EXPECT_EQ(encode(none, "a"), (Tokens{{1, 0, 1}}));
}

TEST(WordPiece, ExcludedPiecesAreNotUsed) {
  const WordPiece model({"[UNK]", "[SEP]", "["}, {0, 1, 2}, {0, "", 100});
  const std::vector<uint8_t> excluded{0, 1, 0};
  EXPECT_EQ(encode(model, "[SEP]"), (Tokens{{1, 0, 5}}));
  EXPECT_EQ(encode(model, "[SEP]", excluded.data()), (Tokens{{0, 0, 5}}));
}

}  // namespace
}  // namespace bgem3
