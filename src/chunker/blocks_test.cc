#include "chunker/blocks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bgem3 {
namespace {

// Each block as "type: text", a heading as "h2 title: text"; line ends are written as |.
std::vector<std::string> blocks(const std::string& text) {
  std::vector<std::string> found;
  BlockReader reader(text);
  while (const std::optional<Block> block = reader.next()) {
    std::string shown = text.substr(block->range.begin, block->range.end - block->range.begin);
    for (char& c : shown) c = c == '\n' ? '|' : c;
    const std::string kind =
        block->heading_level > 0 ? fmt::format("h{} {}", block->heading_level, block->title) : to_string(block->type);
    found.push_back(kind + ": " + shown);
  }
  return found;
}

using Blocks = std::vector<std::string>;

TEST(Blocks, NothingInWhiteSpace) {
  EXPECT_EQ(blocks(""), Blocks{});
  EXPECT_EQ(blocks("\n \n\t\r\n\u3000\n\u00A0"), Blocks{});
}

TEST(Blocks, ParagraphsEndAtBlankLines) {
  EXPECT_EQ(blocks("one\ntwo\n\n\nthree"), (Blocks{"paragraph: one|two", "paragraph: three"}));
  EXPECT_EQ(blocks("one\r\n\r\ntwo\r"), (Blocks{"paragraph: one", "paragraph: two"}));
  EXPECT_EQ(blocks("> quoted\n> text"), Blocks{"paragraph: > quoted|> text"});
}

TEST(Blocks, MarkedHeadings) {
  EXPECT_EQ(blocks("# A b\ntext\n### C ##\n#\n"),
            (Blocks{"h1 A b: # A b", "paragraph: text", "h3 C: ### C ##", "h1 : #"}));
  EXPECT_EQ(blocks("#hashtag\n\n####### seven\n\n    # code"),
            (Blocks{"paragraph: #hashtag", "paragraph: ####### seven", "code:     # code"}));
  EXPECT_EQ(blocks("# C#\n"), Blocks{"h1 C#: # C#"});
}

TEST(Blocks, UnderlinedHeadings) {
  EXPECT_EQ(blocks("Title\n=====\nSub\n---\ntext"),
            (Blocks{"h1 Title: Title|=====", "h2 Sub: Sub|---", "paragraph: text"}));
  EXPECT_EQ(blocks("two\nlines\n---\nmore"), (Blocks{"paragraph: two|lines", "paragraph: ---", "paragraph: more"}));
}

TEST(Blocks, PlainHeadings) {
  EXPECT_EQ(
      blocks("CHAPTER I\n\nIt was.\n\n1.2 The Sea\n\nDeep."),
      (Blocks{"h1 CHAPTER I: CHAPTER I", "paragraph: It was.", "h2 1.2 The Sea: 1.2 The Sea", "paragraph: Deep."}));
  for (const char* no : {"STOP!", "A", "2001", "Not Capitals", "3.14", "海"}) {
    EXPECT_EQ(blocks(no), Blocks{std::string("paragraph: ") + no});
  }
  EXPECT_EQ(blocks("NOT ALONE\ntext"), Blocks{"paragraph: NOT ALONE|text"});
}

TEST(Blocks, AVeryLongLineIsNoHeading) {
  const std::string title(2000, 'X');
  EXPECT_EQ(blocks("# " + title)[0].substr(0, 11), "paragraph: ");
  EXPECT_EQ(blocks(title + "\n===")[0].substr(0, 11), "paragraph: ");
  EXPECT_EQ(blocks(title)[0].substr(0, 11), "paragraph: ");
}

TEST(Blocks, Lists) {
  EXPECT_EQ(blocks("- a\n  more\n* b\n\n1. c\n\n   of c\nlazy\n\ntext"),
            (Blocks{"list: - a|  more|* b||1. c||   of c|lazy", "paragraph: text"}));
  EXPECT_EQ(blocks("text\n- item\n• item"), (Blocks{"paragraph: text", "list: - item|• item"}));
  EXPECT_EQ(blocks("in\n1986. A year"), Blocks{"paragraph: in|1986. A year"});
  EXPECT_EQ(blocks("- a\n# H"), (Blocks{"list: - a", "h1 H: # H"}));
  EXPECT_EQ(blocks("-not a list"), Blocks{"paragraph: -not a list"});
}

TEST(Blocks, FencedCode) {
  EXPECT_EQ(blocks("```py\n# no heading\n\n- no list\n```\ntext"),
            (Blocks{"code: ```py|# no heading||- no list|```", "paragraph: text"}));
  EXPECT_EQ(blocks("~~~~\n~~~\n~~~~ x\n~~~~~"), Blocks{"code: ~~~~|~~~|~~~~ x|~~~~~"});
  EXPECT_EQ(blocks("```\nnever closed\n\nend"), Blocks{"code: ```|never closed||end"});
  EXPECT_EQ(blocks("```inline``` code"), Blocks{"paragraph: ```inline``` code"});
}

TEST(Blocks, IndentedCodeAndIndentedFirstLines) {
  EXPECT_EQ(blocks("text\n\n    x = 1\n\ty = 2\n\nend"),
            (Blocks{"paragraph: text", "code:     x = 1|\ty = 2", "paragraph: end"}));
  EXPECT_EQ(blocks("    It was a dark\nand stormy night."), Blocks{"paragraph:     It was a dark|and stormy night."});
}

TEST(Blocks, Tables) {
  EXPECT_EQ(blocks("| a | b |\n|---|---|\n| 1 | 2 |\n\ntext"),
            (Blocks{"table: | a | b |||---|---||| 1 | 2 |", "paragraph: text"}));
  EXPECT_EQ(blocks("a | b\n--|--\n1 | 2"), Blocks{"table: a | b|--|--|1 | 2"});
  EXPECT_EQ(blocks("+--+--+\n|a |b |\n+--+--+"), Blocks{"table: +--+--+||a |b ||+--+--+"});
  EXPECT_EQ(blocks("a\tb\n1\t2"), Blocks{"table: a\tb|1\t2"});
  EXPECT_EQ(blocks("this | that"), Blocks{"paragraph: this | that"});
}

}  // namespace
}  // namespace bgem3
