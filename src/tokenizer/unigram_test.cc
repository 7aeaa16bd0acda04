#include "tokenizer/unigram.h"

#include <gtest/gtest.h>

#include <random>

#include "tokenizer/unigram_reference.h"
#include "tokenizer/utf8.h"

namespace bgem3 {
namespace {

std::vector<Token> encode(const Unigram& model, std::string_view word, size_t limit = SIZE_MAX,
                          const uint8_t* excluded = nullptr) {
  Unigram::Workspace workspace;
  std::vector<Token> tokens;
  model.encode(word, limit, excluded, workspace, tokens);
  return tokens;
}

using Tokens = std::vector<Token>;

TEST(Unigram, TakesTheLargestSum) {
  const Unigram model({"<unk>", "a", "b", "c", "d", "cd", "ab", "abc", "abcd"}, {0, 0, 0, 0, 0, 1, 2, 5, 10}, 0);
  EXPECT_EQ(encode(model, "abcdacdxx"), (Tokens{{8, 0, 4}, {1, 4, 5}, {5, 5, 7}, {0, 7, 9}}));
  EXPECT_EQ(encode(model, ""), Tokens{});
}

TEST(Unigram, TiesGoToTheWayFoundFirst) {
  const Unigram model({"<unk>", "a", "aa"}, {0, -1, -2}, 0);
  EXPECT_EQ(encode(model, "aa"), (Tokens{{2, 0, 2}}));
  EXPECT_EQ(encode(model, "aaa"), (Tokens{{1, 0, 1}, {2, 1, 3}}));  // the last piece begins earlier
}

TEST(Unigram, SumsInFloat64FromTheLeft) {
  // 0.1 + 0.2 > 0.3 in float64, but not in float32 or exactly.
  const Unigram model({"<unk>", "a", "b", "ab"}, {-1, 0.1, 0.2, 0.3}, 0);
  EXPECT_EQ(encode(model, "ab"), (Tokens{{1, 0, 1}, {2, 1, 2}}));
}

TEST(Unigram, UnknownRunsAreOneToken) {
  const Unigram model({"<unk>", "a", "xyz"}, {0, -1, -100}, 0);
  EXPECT_EQ(encode(model, "xya\xC3\xA9z"), (Tokens{{0, 0, 2}, {1, 2, 3}, {0, 3, 6}}));
  EXPECT_EQ(encode(model, "a<unk>z<unk>"), (Tokens{{1, 0, 1}, {0, 1, 12}}));  // the piece <unk> is fused, too
}

TEST(Unigram, ARunOfUnknownCharactersMayBeAPiece) {
  // Two unknown characters (20 - 10 each) beat the piece, but their string is looked up in the end.
  const Unigram model({"<unk>", "xy"}, {20, 20}, 0);
  EXPECT_EQ(encode(model, "xy"), (Tokens{{1, 0, 2}}));
  const std::vector<uint8_t> excluded{0, 1};
  EXPECT_EQ(encode(model, "xy", SIZE_MAX, excluded.data()), (Tokens{{0, 0, 2}}));
}

TEST(Unigram, ExcludedPiecesAreNotUsed) {
  const Unigram model({"<unk>", "<", "s", ">", "<s>"}, {0, -1, -1, -1, 0}, 0);
  const std::vector<uint8_t> excluded{0, 0, 0, 0, 1};
  EXPECT_EQ(encode(model, "<s>"), (Tokens{{4, 0, 3}}));
  EXPECT_EQ(encode(model, "<s>", SIZE_MAX, excluded.data()), (Tokens{{1, 0, 1}, {2, 1, 2}, {3, 2, 3}}));
}

std::string random_word(std::mt19937& random, const std::vector<std::string>& alphabet, size_t size) {
  std::string word;
  for (size_t i = 0; i < size; ++i) word += alphabet[random() % alphabet.size()];
  return word;
}

// Vocabularies with many ties and unknown characters; words longer than a stretch.
TEST(Unigram, AgreesWithTheReferenceOnRandomWords) {
  std::mt19937 random(2);
  const std::vector<std::string> alphabet{"a", "b", "c", "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80"};
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> pieces{"<unk>"};
    std::vector<double> scores{0};
    for (size_t i = random() % 30; i > 0; --i) {
      pieces.push_back(random_word(random, alphabet, 1 + random() % 4));
      scores.push_back(-static_cast<double>(random() % 40) / 10);
    }
    const Unigram model(pieces, scores, 0);
    for (const size_t size : {1u, 2u, 5u, 20u, 100u, 3000u}) {
      if (size == 3000 && round % 20 != 0) continue;
      const std::string word = random_word(random, alphabet, size);
      const Tokens expected = unigram_reference(pieces, scores, 0, word);
      ASSERT_EQ(encode(model, word), expected) << word;
      for (const size_t limit : {0u, 1u, 700u}) {
        const Tokens cut = encode(model, word, limit);
        if (expected.size() <= limit) {
          ASSERT_EQ(cut, expected);
        } else {
          ASSERT_GT(cut.size(), limit);
          ASSERT_TRUE(std::equal(cut.begin(), cut.begin() + static_cast<ptrdiff_t>(limit), expected.begin()));
        }
      }
    }
  }
}

// A word without a certain cut: every place lies inside of a piece that might still win.
TEST(Unigram, StretchesWithoutCuts) {
  const std::vector<std::string> pieces{"<unk>", "a", "aa", "aaa", "aaaa"};
  const std::vector<double> scores{0, -1, -1.9, -2.7, -3.4};
  const std::string word(20'000, 'a');
  EXPECT_EQ(encode(Unigram(pieces, scores, 0), word), unigram_reference(pieces, scores, 0, word));
}

TEST(Unigram, StopsEarly) {
  const Unigram model({"<unk>", "a"}, {0, -1}, 0);
  EXPECT_LT(encode(model, std::string(1'000'000, 'a'), 10).size(), 5000u);
}

}  // namespace
}  // namespace bgem3
