#include "bgem3/chunker.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "chunker/document.h"
#include "chunker/words.h"
#include "tokenizer/test_files.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace bgem3 {
namespace {

// A WordPiece tokenizer for which nearly every word and every punctuation mark is one token.
std::shared_ptr<const Tokenizer> bert() {
  static const auto tokenizer =
      std::make_shared<const Tokenizer>(Tokenizer::from_json(test::bert_file().json(), "bert"));
  return tokenizer;
}

std::shared_ptr<const Tokenizer> unigram() {
  static const auto tokenizer = std::make_shared<const Tokenizer>(Tokenizer::from_json(test::File().json(), "unigram"));
  return tokenizer;
}

ChunkingConfig sizes(size_t min, size_t target, size_t max, size_t overlap = 0, std::string unit = "tokens") {
  ChunkingConfig config;
  config.min_chunk_size = min;
  config.target_chunk_size = target;
  config.max_chunk_size = max;
  config.overlap = overlap;
  config.unit = std::move(unit);
  return config;
}

std::vector<DocumentChunk> chunk(const std::string& text, const ChunkingConfig& config,
                                 std::shared_ptr<const Tokenizer> tokenizer = bert()) {
  return TextChunker(config, std::move(tokenizer)).chunk_text(text);
}

std::vector<std::string> contents(const std::vector<DocumentChunk>& chunks) {
  std::vector<std::string> found;
  for (const DocumentChunk& c : chunks) found.push_back(c.text_chunk.content);
  return found;
}

using Contents = std::vector<std::string>;

std::string repeat(std::string_view part, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += part;
  return text;
}

// Where chunks end

TEST(Chunker, AShortDocumentIsOneChunk) {
  const auto chunks = chunk("  One. Two.\n\nThree.\n", sizes(4, 40, 50));
  ASSERT_EQ(contents(chunks), Contents{"One. Two.\n\nThree."});
  const ChunkMetadata& about = chunks[0].text_chunk.metadata;
  EXPECT_EQ(about.token_count, 8u);
  EXPECT_EQ(about.start_byte, 2u);
  EXPECT_EQ(about.end_byte, 19u);
  EXPECT_EQ(about.chunk_type, ChunkType::paragraph);
  EXPECT_TRUE(about.heading_path.empty());
}

TEST(Chunker, WhiteSpaceHasNoChunks) {
  EXPECT_TRUE(chunk("", {}).empty());
  EXPECT_TRUE(chunk(" \n\t\r\n\u3000\u2029", {}).empty());
}

TEST(Chunker, CutsAtParagraphsBeforeSentences) {
  EXPECT_EQ(contents(chunk("a a. b b.\n\nc c. a a. b b.", sizes(2, 14, 16))),
            (Contents{"a a. b b.", "c c. a a. b b."}));
}

TEST(Chunker, CutsAtSentencesBeforeWords) {
  EXPECT_EQ(contents(chunk("A a a. B b b. C c c.", sizes(2, 8, 9))), (Contents{"A a a.", "B b b.", "C c c."}));
  EXPECT_EQ(contents(chunk("A a a. B b b. C c c.", sizes(2, 10, 12))), (Contents{"A a a. B b b.", "C c c."}));
}

TEST(Chunker, CutsASentenceThatExceedsTheMaximumBetweenWords) {
  EXPECT_EQ(contents(chunk("a b c a b c a b", sizes(0, 5, 6))), (Contents{"a b c", "a b c", "a b"}));
  EXPECT_EQ(contents(chunk("中中中中中", sizes(0, 4, 4))), (Contents{"中中", "中中", "中"}));
}

TEST(Chunker, CutsAWordThatExceedsTheMaximumBetweenClusters) {
  EXPECT_EQ(contents(chunk("aa\u0301abb", sizes(0, 2, 2, 0, "characters"))), (Contents{"a", "a\u0301", "ab", "b"}));
  EXPECT_EQ(contents(chunk("a\u0301\u0301b", sizes(0, 2, 2, 0, "characters"))), (Contents{"a\u0301", "\u0301b"}));
}

TEST(Chunker, SectionsThatFitStayWhole) {
  EXPECT_EQ(contents(chunk("# A\na a a.\n\nb b b.\n# B\na a a.\n", sizes(4, 10, 14))),
            (Contents{"# A\na a a.\n\nb b b.", "# B\na a a."}));
}

TEST(Chunker, SmallSectionsAreJoined) {
  EXPECT_EQ(contents(chunk("# A\n\n# B\na.\n\n# C\nb.", sizes(20, 30, 40))), Contents{"# A\n\n# B\na.\n\n# C\nb."});
}

TEST(Chunker, AHeadingStaysWithItsText) {
  const auto chunks = chunk("# Title\n\n" + repeat("a ", 13) + "b.", sizes(8, 12, 16));
  EXPECT_EQ(contents(chunks)[0].substr(0, 12), "# Title\n\na a");
}

TEST(Chunker, ASmallRestIsJoinedWhereItFits) {
  EXPECT_EQ(contents(chunk("A a a a. B b b b. C.", sizes(5, 12, 14))), Contents{"A a a a. B b b b. C."});
  EXPECT_EQ(contents(chunk("A a a a. B b b b. C.", sizes(5, 12, 13))), (Contents{"A a a a. B b b b.", "C."}));
}

TEST(Chunker, CutsListsAtItemsCodeAtLinesAndTablesAtRows) {
  EXPECT_EQ(contents(chunk("- a a\n- b b\n- c c", sizes(2, 8, 9))), (Contents{"- a a\n- b b", "- c c"}));
  EXPECT_EQ(contents(chunk("```\n  a b\n  b c\n```", sizes(2, 7, 9))), (Contents{"```\n  a b", "  b c\n```"}));
  EXPECT_EQ(contents(chunk("|a|b|\n|-|-|\n|b|c|", sizes(2, 12, 13))), (Contents{"|a|b|\n|-|-|", "|b|c|"}));
}

// What a chunk says about itself

TEST(Chunker, TypesAreThoseOfMostOfTheText) {
  const auto chunks = chunk(
      "# H\n\n- a list\n- of two\n\n# I\n\ntext text text\n\n# J\n\n```\ncode\n```\n\n# K\n\n|a|b|\n|-|-|\n\n# L\n\n## "
      "M\n",
      sizes(4, 40, 50));
  std::vector<std::string> types;
  for (const DocumentChunk& c : chunks) types.push_back(to_string(c.text_chunk.metadata.chunk_type));
  EXPECT_EQ(types, (std::vector<std::string>{"list", "paragraph", "code", "table", "heading"}));
}

TEST(Chunker, HeadingPaths) {
  const auto chunks = chunk("a a a.\n# A\n## B\nb b b.\n## C\nc c c.\n# D\na a a.\n# E", sizes(6, 40, 50));
  std::vector<std::vector<std::string>> paths;
  for (const DocumentChunk& c : chunks) paths.push_back(c.text_chunk.metadata.heading_path);
  EXPECT_EQ(paths, (std::vector<std::vector<std::string>>{{}, {"A", "B"}, {"A", "C"}, {"D"}}));
}

TEST(Chunker, IdsAreStable) {
  const std::string text = "a a a.\n\nb b b.\n\na a a.\n\nc c c.";
  const ChunkingConfig config = sizes(2, 6, 8);
  const TextChunker chunker(config, bert());
  const auto ids = [&](const std::string& document, const ChunkContext& context) {
    std::vector<std::string> found;
    for (const DocumentChunk& c : chunker.chunk_text(document, context)) {
      found.push_back(c.text_chunk.metadata.chunk_id);
    }
    return found;
  };
  const auto first = ids(text, {.document_id = "d"});
  ASSERT_EQ(first.size(), 4u);
  EXPECT_EQ(first, ids(text, {.document_id = "d", .title = "t"}));
  EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), 4u);
  EXPECT_EQ(first[0].find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(first[0].size(), 16u);
  for (const std::string& other : ids(text, {.document_id = "e"}))
    EXPECT_EQ(std::count(first.begin(), first.end(), other), 0);
  const auto changed = ids("c b a.\n\n" + text, {.document_id = "d"});  // a passage before: the others keep theirs
  EXPECT_EQ(std::vector<std::string>(changed.begin() + 1, changed.end()), first);
}

TEST(Chunker, TheContextBecomesMetadata) {
  const auto chunks = TextChunker({}, bert())
                          .chunk_text("a", {.document_id = "d", .title = "t", .source = "s", .metadata = {{"k", "v"}}});
  EXPECT_EQ(chunks[0].document_metadata,
            (std::map<std::string, std::string>{{"document_id", "d"}, {"title", "t"}, {"source", "s"}, {"k", "v"}}));
}

TEST(Chunker, ThePromptCounts) {
  ChunkingConfig config = sizes(0, 6, 6);
  config.prompt = "a b ";
  const auto chunks = chunk("c c c c", config);
  EXPECT_EQ(contents(chunks), (Contents{"c c", "c c"}));
  EXPECT_EQ(chunks[0].text_chunk.metadata.token_count, 6u);
}

TEST(Chunker, SpecialTokensInTheTextCountAsTheyWillBeRead) {
  ChunkingConfig config = sizes(0, 40, 40);
  EXPECT_EQ(chunk("[SEP] a", config)[0].text_chunk.metadata.token_count, 4u);
  config.special_tokens_in_text = SpecialTokensInText::escape;
  EXPECT_EQ(chunk("[SEP] a", config)[0].text_chunk.metadata.token_count, 6u);
}

TEST(Chunker, CharactersNeedNoTokenizer) {
  const auto chunks = chunk("ää. Öö.", sizes(0, 4, 4, 0, "characters"), nullptr);
  EXPECT_EQ(contents(chunks), (Contents{"ää.", "Öö."}));
  EXPECT_EQ(chunks[1].text_chunk.metadata.token_count, 0u);
  EXPECT_EQ(chunks[1].text_chunk.metadata.start_byte, 6u);
  EXPECT_EQ(chunks[1].text_chunk.metadata.start_char, 4u);
  EXPECT_EQ(chunks[1].text_chunk.metadata.end_char, 7u);
  EXPECT_EQ(chunk("ab. ab.", sizes(0, 9, 9, 0, "characters"), bert())[0].text_chunk.metadata.token_count, 8u);
}

// Overlap

TEST(Chunker, OverlapRepeatsWholeSentencesWhereTheyFit) {
  EXPECT_EQ(contents(chunk("A. B. C. A. B. C.", sizes(2, 8, 8, 2))), (Contents{"A. B.", "B. C. A.", "A. B. C."}));
  EXPECT_EQ(contents(chunk("a b c a b c a b", sizes(0, 6, 6, 1))), (Contents{"a b c", "c a b c", "c a b"}));
}

TEST(Chunker, NothingIsRepeatedAcrossAHeading) {
  EXPECT_EQ(contents(chunk("# A\na b c.\n# B\nb c a.", sizes(4, 10, 12, 4))), (Contents{"# A\na b c.", "# B\nb c a."}));
}

// Properties, on random documents

bool is_white(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto c = utf8::decode(text, at);
    if (!unicode::is(unicode::kWhiteSpace, c.value)) return false;
    at += c.length;
  }
  return true;
}

std::string random_document(std::mt19937& random) {
  static const std::vector<std::string> parts = {
      "a ",     "bc ",      "cab. ",
      "A. ",    "B! ",      "\n",
      "\n\n",   "\r\n\r\n", "# ",
      "\n## ",  "- ",       "\n1. ",
      "```\n",  "    ",     "\t",
      "|",      "|-|\n",    "中",
      "文。",   "\u3000",   "e\u0301",
      "\u0301", " \u0308",  "👩‍👧",
      "🇩🇪",     "क्ष",       "กำ",
      "\u0600", "가각",     "---\n",
      "3.14 ",  "x/y",      "\u00A0",
      "\u2029", "\u200B",   "ﷺ",
      "<s>",    "[SEP]",    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "“c”) ",  "=\n"};
  std::string text;
  const size_t length = random() % 120;
  for (size_t i = 0; i < length; ++i) text += parts[random() % parts.size()];
  return text;
}

// What must hold for every document. `why` names the case.
void expect_sound(const std::string& text, const ChunkingConfig& config,
                  const std::shared_ptr<const Tokenizer>& tokenizer, const std::string& why) {
  const TextChunker chunker(config, tokenizer);
  const auto chunks = chunker.chunk_text(text);
  const Document document(text);
  const auto size_of = [&](std::string_view content) {
    if (config.unit == "characters") {
      return static_cast<size_t>(
          std::count_if(content.begin(), content.end(), [](char c) { return (c & 0xC0) != 0x80; }));
    }
    return tokenizer->encode(content).ids.size();
  };
  std::set<std::string> ids;
  size_t begin_before = 0, end_before = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const ChunkMetadata& about = chunks[i].text_chunk.metadata;
    const std::string& content = chunks[i].text_chunk.content;
    const auto fail_at = [&] {
      return why + ", chunk " + std::to_string(i) + ": \"" + content + "\" of \"" + text + "\"";
    };
    ASSERT_LE(size_of(content), config.max_chunk_size) << fail_at();
    ASSERT_EQ(about.token_count, tokenizer->encode(content).ids.size()) << fail_at();
    ASSERT_EQ(about.index, i);
    ASSERT_TRUE(ids.insert(about.chunk_id).second) << fail_at();
    ASSERT_EQ(content, text.substr(about.start_byte, about.end_byte - about.start_byte)) << fail_at();
    ASSERT_FALSE(is_white(content) && document.is_boundary(about.end_byte)) << fail_at();

    // In order, and nothing but white space outside.
    if (i > 0) {
      ASSERT_GT(about.start_byte, begin_before) << fail_at();
      ASSERT_GT(about.end_byte, end_before) << fail_at();
    }
    if (about.start_byte >= end_before) {
      ASSERT_TRUE(is_white(text.substr(end_before, about.start_byte - end_before))) << fail_at();
    } else {
      ASSERT_GT(config.overlap, 0u) << fail_at();
    }

    // No cluster and no word is cut, but one that exceeds the maximum by itself (here: less the overlap).
    const size_t most = config.max_chunk_size - config.overlap;
    for (const size_t cut : {about.start_byte, about.end_byte}) {
      if (!document.is_boundary(cut)) {
        size_t begin = cut;
        while (!document.is_boundary(begin)) --begin;
        ASSERT_GT(size_of(std::string_view(text).substr(begin, document.next_boundary(cut) - begin)), most)
            << fail_at();
        continue;
      }
      size_t word = text.rfind('\n', cut == 0 ? 0 : cut - 1);  // a line end always divides words
      for (word = word == std::string::npos || cut == 0 ? 0 : word; word < cut;) {
        const size_t end = word_end(text, word);
        if (end > cut && !is_white(std::string_view(text).substr(word, cut - word))) {
          ASSERT_GT(size_of(std::string_view(text).substr(word, end - word)), most) << fail_at();
        }
        word = end;
      }
    }
    begin_before = about.start_byte;
    end_before = about.end_byte;
  }
  ASSERT_TRUE(is_white(text.substr(end_before))) << why << ": the end of \"" << text << "\"";

  for (size_t i = 1; i < chunks.size() && config.overlap == 0; ++i) {
    const ChunkMetadata& left = chunks[i - 1].text_chunk.metadata;
    const ChunkMetadata& right = chunks[i].text_chunk.metadata;
    const size_t smaller = std::min(size_of(chunks[i - 1].text_chunk.content), size_of(chunks[i].text_chunk.content));
    if (smaller >= config.min_chunk_size) continue;
    ASSERT_GT(size_of(text.substr(left.start_byte, right.end_byte - left.start_byte)), config.max_chunk_size)
        << why << ": \"" << chunks[i - 1].text_chunk.content << "\" and \"" << chunks[i].text_chunk.content
        << "\" fit together";
  }
}

TEST(Chunker, RandomDocumentsAreChunkedSoundly) {
  const std::vector<ChunkingConfig> configs = {sizes(5, 12, 16),
                                               sizes(0, 20, 20),
                                               sizes(3, 30, 64),
                                               sizes(4, 12, 20, 4),
                                               sizes(1, 24, 28, 20),
                                               sizes(5, 12, 16, 0, "characters"),
                                               sizes(0, 1, 1, 0, "characters"),
                                               sizes(2, 20, 24, 6, "characters")};
  for (unsigned seed = 0; seed < 600; ++seed) {
    std::mt19937 random(seed);
    const std::string text = random_document(random);
    for (size_t c = 0; c < configs.size(); ++c) {
      const auto& tokenizer = seed % 2 == 0 ? bert() : unigram();
      expect_sound(text, configs[c], tokenizer, "seed " + std::to_string(seed) + ", config " + std::to_string(c));
      if (HasFatalFailure()) return;
    }
  }
}

// Hostile documents: linear, or these tests would not end

TEST(Chunker, OneWordOfMegabytes) {
  const auto chunks = chunk(std::string(2'000'000, 'b'), {}, unigram());
  EXPECT_GT(chunks.size(), 3'000u);
  EXPECT_EQ(chunk(std::string(2'000'000, 'a'), {}).size(), 1u);  // [UNK]: one token for WordPiece
}

TEST(Chunker, MegabytesOfNewlines) { EXPECT_TRUE(chunk(std::string(4'000'000, '\n'), {}).empty()); }

TEST(Chunker, MegabytesOfOneCombiningMark) {
  EXPECT_EQ(chunk("a" + repeat("\u0301", 1'000'000), {}).size(), 1u);  // no token for any of them
  const auto chunks = chunk("a" + repeat("\u0301", 100'000), sizes(0, 400, 512, 0, "characters"));
  EXPECT_EQ(chunks.size(), 250u);
}

TEST(Chunker, MegabytesOfHeadings) {
  std::string text;
  for (size_t i = 0; i < 200'000; ++i) text += std::string(1 + i % 6, '#') + " a\n";
  const auto chunks = chunk(text, {});
  EXPECT_GT(chunks.size(), 1'000u);
  EXPECT_LE(chunks.back().text_chunk.metadata.heading_path.size(), 6u);
}

TEST(Chunker, MegabytesOfEveryKindOfLine) {
  for (const char* line :
       {"- a\n", "```\n", "| a |\n", "a\tb\n", "    a\n\n", "---\n", "a.\n\n", "A. ", "a\u3000", "\u00A0", "1.1 "}) {
    const auto chunks = chunk(repeat(line, 200'000), {});
    for (const DocumentChunk& c : chunks) ASSERT_LE(c.text_chunk.metadata.token_count, 512u) << line;
  }
}

// Bad input

TEST(Chunker, RefusesTextThatIsNotUtf8) {
  try {
    chunk("ab\xFF", {});
    FAIL();
  } catch (const InvalidInputError& error) {
    EXPECT_EQ(std::string(error.what()), "text: byte 2: not UTF-8 (0xFF); convert the text to UTF-8");
  }
}

TEST(Chunker, RefusesSizesThatContradictEachOther) {
  EXPECT_THROW(chunk("a", sizes(10, 9, 20)), InvalidInputError);
  EXPECT_THROW(chunk("a", sizes(0, 21, 20)), InvalidInputError);
  EXPECT_THROW(chunk("a", sizes(10, 20, 20, 11)), InvalidInputError);
  EXPECT_THROW(chunk("a", sizes(0, 2, 2)), InvalidInputError);     // [CLS] and [SEP] leave no room
  EXPECT_THROW(chunk("a", sizes(0, 4, 4, 2)), InvalidInputError);  // nor does the overlap
  EXPECT_THROW(chunk("a", sizes(0, 0, 0, 0, "characters")), InvalidInputError);
  EXPECT_THROW(chunk("a", sizes(0, 4, 4, 0, "words")), InvalidInputError);
  EXPECT_THROW(chunk("a", sizes(0, 4, 4), nullptr), InvalidInputError);
}

TEST(Chunker, RefusesACharacterThatExceedsTheMaximum) {
  try {
    chunk("ab 中", sizes(0, 3, 3), unigram());  // <s> ▁ <unk> </s>
    FAIL();
  } catch (const InvalidInputError& error) {
    EXPECT_EQ(std::string(error.what()),
              "text: byte 3: one character has 4 tokens, more than max_chunk_size 3 less overlap 0; choose a larger "
              "max_chunk_size");
  }
}

}  // namespace
}  // namespace bgem3
