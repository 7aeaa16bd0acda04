#include "tokenizer/trie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace bgem3 {
namespace {

using namespace std::string_view_literals;

TEST(Trie, FindsStringsAndPrefixes) {
  const Trie trie({"a", "abc", "b", "\0x"sv, ""}, {7, 8, 9, 10, 11});
  EXPECT_EQ(trie.find("a"), 7u);
  EXPECT_EQ(trie.find("abc"), 8u);
  EXPECT_EQ(trie.find("b"), 9u);
  EXPECT_EQ(trie.find("\0x"sv), 10u);
  for (const std::string_view absent : {""sv, "ab"sv, "abcd"sv, "\0"sv, "c"sv, "ba"sv})
    EXPECT_FALSE(trie.find(absent)) << absent;
  EXPECT_NE(trie.walk("ab"), nullptr);
  EXPECT_EQ(trie.walk("ac"), nullptr);
  EXPECT_EQ(trie.walk("abc")->id(), 8u);
}

TEST(Trie, TheLastOfEqualStringsCounts) { EXPECT_EQ(Trie({"a", "b", "a"}, {1, 2, 3}).find("a"), 3u); }

TEST(Trie, HoldsNothing) { EXPECT_FALSE(Trie({}, {}).find("a")); }

TEST(Trie, AgreesWithAMapOnRandomStrings) {
  std::mt19937 random(1);
  std::map<std::string, uint32_t> expected;
  while (expected.size() < 20'000) {
    std::string text(1 + random() % 9, '\0');
    for (char& c : text) c = static_cast<char>(random() % 3 == 0 ? random() % 256 : 'a' + random() % 4);
    expected.emplace(text, static_cast<uint32_t>(expected.size()));
  }
  std::vector<std::string_view> strings;
  std::vector<uint32_t> ids;
  for (const auto& [text, id] : expected) {
    strings.push_back(text);
    ids.push_back(id);
  }
  const Trie trie(strings, ids);
  for (const auto& [text, id] : expected) {
    ASSERT_EQ(trie.find(text), id);
    std::string other = text;
    other[random() % other.size()] = static_cast<char>(random() % 256);
    const auto found = expected.find(other);
    ASSERT_EQ(trie.find(other), found == expected.end() ? std::nullopt : std::optional(found->second));
  }
}

}  // namespace
}  // namespace bgem3
