#include "bgem3/tokenizer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bgem3/error.h"
#include "tokenizer/test_files.h"

namespace bgem3 {
namespace {

using Ids = std::vector<uint32_t>;
using Offsets = std::vector<ByteRange>;
using namespace std::string_literals;

Tokenizer make(const test::File& file) { return Tokenizer::from_json(file.json(), "tokenizer.json"); }

Ids ids(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options = {}) {
  options.add_special_tokens = false;
  return tokenizer.encode(text, options).ids;
}

Offsets offsets(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options = {}) {
  options.add_special_tokens = false;
  return tokenizer.encode(text, options).offsets;
}

TEST(Tokenizer, PutsTheTemplateAroundTheText) {
  const Tokenizer tokenizer = make({});
  const Encoding encoding = tokenizer.encode("a ab");
  EXPECT_EQ(encoding.ids, (Ids{0, 5, 8, 1}));
  EXPECT_EQ(encoding.offsets, (Offsets{{0, 0}, {0, 1}, {1, 4}, {0, 0}}));
  EXPECT_FALSE(encoding.truncated);
  EXPECT_EQ(tokenizer.encode("").ids, (Ids{0, 1}));
  EXPECT_EQ(tokenizer.template_tokens(), 2u);
  EXPECT_EQ(tokenizer.kind(), "unigram");
}

TEST(Tokenizer, SpacesBecomeTokens) {
  const Tokenizer tokenizer = make({});
  EXPECT_EQ(ids(tokenizer, "a  "), (Ids{5, 4}));
  EXPECT_EQ(offsets(tokenizer, "a  "), (Offsets{{0, 1}, {2, 3}}));  // the last of the removed spaces
  EXPECT_EQ(offsets(tokenizer, "b"), (Offsets{{0, 1}, {0, 1}}));    // the space in front shares the first character
  EXPECT_EQ(ids(tokenizer, "a▁ab"), ids(tokenizer, "a ab"));
}

TEST(Tokenizer, AddedTokensAreFoundFirst) {
  const Tokenizer tokenizer = make({});
  EXPECT_EQ(ids(tokenizer, "<s>a</s>"), (Ids{0, 5, 1}));
  EXPECT_EQ(ids(tokenizer, "a \t<mask> a"), (Ids{5, 3, 5}));
  EXPECT_EQ(offsets(tokenizer, "a \t<mask> a"), (Offsets{{0, 1}, {1, 9}, {9, 11}}));
  EXPECT_EQ(ids(tokenizer, "<s"), (Ids{4, 9, 10}));
}

TEST(Tokenizer, AddedTokenFlags) {
  test::File file;
  file.normalizer = R"({"type":"Lowercase"})";
  file.added_tokens = test::added_token(0, "<s>") + "," +
                      test::added_token(12, "Word", false, "false", "true", "true", "true") + "," +
                      test::added_token(13, "<s>b", false);
  const Tokenizer tokenizer = make(file);
  EXPECT_EQ(ids(tokenizer, "wOrd  a"), (Ids{12, 5}));  // in the normalised text, with the white space after it
  EXPECT_EQ(offsets(tokenizer, "wOrd  a"), (Offsets{{0, 6}, {6, 7}}));
  EXPECT_EQ(ids(tokenizer, "aword")[0], 5u);   // not within a word
  EXPECT_EQ(ids(tokenizer, "<s>b"), Ids{13});  // the longest
  EXPECT_EQ(ids(tokenizer, "<S>"), ids(tokenizer, "<S>"));
  EXPECT_EQ(tokenizer.vocab_size(), 14u);
  EXPECT_EQ(tokenizer.find_id("Word"), 12u);
  EXPECT_EQ(tokenizer.token(12), "Word");
}

TEST(Tokenizer, EscapedTextYieldsNoSpecialToken) {
  const Tokenizer tokenizer = make({});
  EncodeOptions escape;
  escape.special_tokens_in_text = SpecialTokensInText::escape;
  EXPECT_EQ(ids(tokenizer, "<s>", escape), (Ids{4, 9, 10, 11}));
  EXPECT_EQ(tokenizer.encode("a", escape).ids, tokenizer.encode("a").ids);
  // Without the added token, the piece of the vocabulary is still there.
  test::File file;
  file.normalizer = R"({"type":"Replace","pattern":{"String":"("},"content":"<"})";
  EXPECT_EQ(ids(make(file), "(s>"), (Ids{4, 0}));
  EXPECT_EQ(ids(make(file), "(s>", escape), (Ids{4, 9, 10, 11}));
}

TEST(Tokenizer, TruncationReportsItself) {
  const Tokenizer tokenizer = make({});
  for (const auto& [limit, expected] : std::vector<std::pair<size_t, Ids>>{
           {2, {0, 1}}, {3, {0, 5, 1}}, {4, {0, 5, 5, 1}}, {5, {0, 5, 5, 8, 1}}, {6, {0, 5, 5, 8, 1}}}) {
    const Encoding encoding = tokenizer.encode("a a ab", {.max_tokens = limit});
    EXPECT_EQ(encoding.ids, expected);
    EXPECT_EQ(encoding.offsets.size(), expected.size());
    EXPECT_EQ(encoding.truncated, limit < 5);
  }
  EXPECT_FALSE(tokenizer.encode("", {.max_tokens = 2}).truncated);
  EXPECT_TRUE(tokenizer.encode("a", {.max_tokens = 0, .add_special_tokens = false}).truncated);
  EXPECT_THROW(tokenizer.encode("a", {.max_tokens = 1}), InvalidInputError);
}

TEST(Tokenizer, InvalidUtf8) {
  const Tokenizer tokenizer = make({});
  try {
    tokenizer.encode("ab\xE4\xB8");
    FAIL();
  } catch (const InvalidInputError& error) {
    EXPECT_NE(std::string(error.what()).find("byte 2"), std::string::npos) << error.what();
  }
  const Encoding encoding = tokenizer.encode(
      "a\xE4\xB8"
      "b\xFF",
      {.add_special_tokens = false, .invalid_utf8 = InvalidUtf8::replace});
  EXPECT_EQ(encoding.replaced_utf8, 2u);
  EXPECT_EQ(encoding.ids, ids(tokenizer, "a\uFFFDb\uFFFD"));
  EXPECT_EQ(encoding.offsets, (Offsets{{0, 1}, {1, 3}, {3, 4}, {4, 5}}));
}

TEST(Tokenizer, Decodes) {
  const Tokenizer tokenizer = make({});
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a ab").ids), "a ab");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a").ids, false), "<s> a</s>");
  EXPECT_EQ(tokenizer.decode({}), "");
  EXPECT_THROW(tokenizer.decode(Ids{12}), InvalidInputError);
  EXPECT_THROW(tokenizer.token(12), InvalidInputError);
  EXPECT_FALSE(tokenizer.find_id("absent"));
}

TEST(Tokenizer, Bert) {
  const Tokenizer tokenizer = make(test::bert_file());
  EXPECT_EQ(tokenizer.kind(), "wordpiece");
  EXPECT_EQ(tokenizer.encode("Cab!").ids, (Ids{2, 11, 12, 3}));
  EXPECT_EQ(ids(tokenizer, "ÁBc xyz 中a"), (Ids{5, 9, 10, 1, 13, 5}));
  EXPECT_EQ(offsets(tokenizer, "ÁBc xyz 中a"), (Offsets{{0, 2}, {2, 3}, {3, 4}, {5, 8}, {9, 12}, {12, 13}}));
  EXPECT_EQ(ids(tokenizer, "[MASK]a"), (Ids{4, 5}));
  EXPECT_EQ(ids(tokenizer, std::string("a\0b\u00ADc", 6)), (Ids{5, 9, 10}));
  EXPECT_EQ(ids(tokenizer, std::string(101, 'a')), Ids{1});
  EXPECT_EQ(ids(tokenizer, std::string(100, 'a')).size(), 100u);
  EXPECT_EQ(tokenizer.decode(Ids{2, 11, 12, 5, 9, 17, 18, 3}), "cab! ab 'i");
  EncodeOptions escape;
  escape.special_tokens_in_text = SpecialTokensInText::escape;
  EXPECT_EQ(ids(tokenizer, "[SEP]", escape), (Ids{14, 16, 15}));
}

TEST(Tokenizer, BertReordersMarks) {
  test::File file = test::bert_file();
  file.model = R"({"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"","max_input_chars_per_word":9,
    "vocab":{"u":0,"a":1,"ࣔ":2,"ࣣ":3,"[PAD]":4,"[UNK]":5,"[CLS]":6,"[SEP]":7,"[MASK]":8}})";
  file.added_tokens = "";
  file.post_processor = "null";
  const Tokenizer tokenizer = make(file);
  // U+08D4 (class 230) and U+08E3 (220): marks of Unicode 9 are not removed, and U+08E3 of Unicode 8 is.
  EXPECT_EQ(ids(tokenizer, "a\u08D4"), (Ids{1, 2}));
  EXPECT_EQ(ids(tokenizer, "a\u08E3"), (Ids{1}));
  EXPECT_EQ(offsets(tokenizer, "a\u08D4\u08E3"), (Offsets{{0, 1}, {4, 7}}));  // the source does not move with the mark
}

// Linear time: each of these takes hours if a step is quadratic. Sizes double, tokens do, too.
TEST(Tokenizer, LongTextsTakeLinearTime) {
  const Tokenizer unigram = make({});
  const Tokenizer bert = make(test::bert_file());
  const auto repeat = [](std::string_view part, size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += part;
    return text;
  };
  for (const std::string_view part : {"ab ", "a", "\u0301", "<s> ", " ", "x", "中"}) {
    for (const Tokenizer* tokenizer : {&unigram, &bert}) {
      const size_t once = ids(*tokenizer, repeat(part, 1'000'000)).size();
      const size_t twice = ids(*tokenizer, repeat(part, 2'000'000)).size();
      EXPECT_LE(twice, 2 * once + 2) << part;
      EXPECT_GE(twice, once) << part;
    }
  }
  EXPECT_EQ(ids(unigram, std::string(8'000'000, '\0')), (Ids{4, 2}));
  EXPECT_EQ(ids(bert, "a" + repeat("\u0301", 200'000)), Ids{5});
}

TEST(Tokenizer, FromFileNamesWhatIsMissing) {
  try {
    Tokenizer::from_file("no/such/tokenizer.json");
    FAIL();
  } catch (const ModelLoadingError& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
  }
}

}  // namespace
}  // namespace bgem3
