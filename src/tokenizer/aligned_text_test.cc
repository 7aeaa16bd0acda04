#include "tokenizer/aligned_text.h"

#include <gtest/gtest.h>

namespace bgem3 {
namespace {

constexpr AlignedRun kWhole{0, {0, AlignedRun::kParallel}};

TEST(AlignedText, UnchangedTextIsOneRun) {
  const AlignedView input{"hello world", {&kWhole, 1}};
  AlignedText text;
  SourceCursor cursor(input);
  text.append_unchanged(input, cursor, 2, 5);
  text.append_unchanged(input, cursor, 5, 9);
  EXPECT_EQ(text.bytes(), "llo wor");
  EXPECT_EQ(text.view().runs.size(), 1u);
  EXPECT_EQ(SourceCursor(text.view()).source(1, 3), (ByteRange{3, 5}));
}

TEST(AlignedText, CharactersShareASource) {
  AlignedText text;
  text.append("a", {5, 8});
  text.append("b", {5, 8});
  text.append("c", {8, 9});
  text.append("d", {9, 10});
  SourceCursor cursor(text.view());
  EXPECT_EQ(cursor.source(0, 1), (ByteRange{5, 8}));
  EXPECT_EQ(cursor.source(1, 3), (ByteRange{5, 9}));
  EXPECT_EQ(cursor.source(2, 4), (ByteRange{8, 10}));
  EXPECT_EQ(cursor.source(0, 4), (ByteRange{5, 10}));  // going back works, too
  EXPECT_EQ(text.view().runs.size(), 2u);
}

TEST(AlignedText, RemovesTheLastCharacter) {
  AlignedText text;
  text.append("a", {0, 1});
  text.append("\xC3\xA9", {1, 2});
  text.remove_last(2);
  text.append("b", {3, 4});
  EXPECT_EQ(text.bytes(), "ab");
  SourceCursor cursor(text.view());
  EXPECT_EQ(cursor.source(0, 1), (ByteRange{0, 1}));
  EXPECT_EQ(cursor.source(1, 2), (ByteRange{3, 4}));
}

TEST(AlignedText, CopiesPartsOfRuns) {
  AlignedText first;
  first.append("x", {0, 3});
  first.append("y", {0, 3});
  first.append("z", {3, 4});
  AlignedText second;
  const AlignedView view = first.view();
  SourceCursor cursor(view);
  second.append_unchanged(view, cursor, 1, 3);
  EXPECT_EQ(second.bytes(), "yz");
  SourceCursor sources(second.view());
  EXPECT_EQ(sources.source(0, 1), (ByteRange{0, 3}));
  EXPECT_EQ(sources.source(1, 2), (ByteRange{3, 4}));
}

}  // namespace
}  // namespace bgem3
