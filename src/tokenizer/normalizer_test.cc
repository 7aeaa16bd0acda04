#include "tokenizer/normalizer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"

namespace bgem3 {
namespace {

// A character map whose keys are single ASCII characters, in the published layout.
std::string charsmap_bytes(const std::vector<std::pair<char, std::string>>& entries) {
  constexpr uint32_t kRoot = 256, kValues = 512;
  std::vector<uint32_t> units(1024);
  std::string replacements;
  units[0] = kRoot << 10;
  for (uint32_t i = 0; i < entries.size(); ++i) {
    const auto label = static_cast<unsigned char>(entries[i].first);
    const uint32_t leaf = kRoot ^ label;
    units[leaf] = label | 1u << 8 | (leaf ^ (kValues + i)) << 10;
    units[kValues + i] = 1u << 31 | static_cast<uint32_t>(replacements.size());
    replacements += entries[i].second + '\0';
  }
  const auto trie_bytes = static_cast<uint32_t>(units.size() * sizeof(uint32_t));
  std::string bytes(sizeof trie_bytes + trie_bytes, '\0');
  std::memcpy(bytes.data(), &trie_bytes, sizeof trie_bytes);
  std::memcpy(bytes.data() + sizeof trie_bytes, units.data(), trie_bytes);
  return bytes + replacements;
}

struct Result {
  std::string text;
  std::vector<std::pair<size_t, size_t>> sources;  // of each byte
  bool operator==(const Result&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Result& result) {
  out << result.text;
  for (const auto& [begin, end] : result.sources) out << " " << begin << "-" << end;
  return out;
}

Result normalize(NormalizerStep step, std::string_view text) {
  std::vector<NormalizerStep> steps;
  steps.push_back(std::move(step));
  const AlignedRun whole{0, {0, AlignedRun::kParallel}};
  std::array<AlignedText, 2> buffers;
  const AlignedView view = Normalizer(std::move(steps)).normalize(AlignedView{text, {&whole, 1}}, buffers);
  Result result{std::string(view.bytes), {}};
  SourceCursor cursor(view);
  for (size_t i = 0; i < view.bytes.size(); ++i) {
    const ByteRange source = cursor.source(i, i + 1);
    result.sources.emplace_back(source.begin, source.end);
  }
  return result;
}

PrecompiledNormalizer precompiled() {
  return PrecompiledNormalizer(Charsmap(charsmap_bytes({{'A', "b"}, {'X', ""}, {'L', "long"}}), "test"));
}

TEST(Charsmap, FindsTheShortestKey) {
  const Charsmap charsmap(charsmap_bytes({{'A', "b"}, {'X', ""}}), "test");
  EXPECT_EQ(charsmap.find("Abc"), "b");
  EXPECT_EQ(charsmap.find("X"), "");
  EXPECT_FALSE(charsmap.find("b"));
  EXPECT_FALSE(charsmap.find(""));
  EXPECT_FALSE(charsmap.find(std::string_view("\0A", 2)));
}

TEST(Charsmap, RefusesDamage) {
  const std::string good = charsmap_bytes({{'A', "b"}});
  EXPECT_THROW(Charsmap("", "test"), ModelLoadingError);
  EXPECT_THROW(Charsmap(std::string(4, '\0'), "test"), ModelLoadingError);
  EXPECT_THROW(Charsmap(good.substr(0, 100), "test"), ModelLoadingError);
  EXPECT_THROW(Charsmap(good + "\xFF", "test"), ModelLoadingError);
  std::string far = good;  // the value, beyond the replacements
  far[4 + 512 * 4 + 1] = '\x7F';
  EXPECT_THROW(Charsmap(far, "test"), ModelLoadingError);
  std::string outside = good;  // the root's offset
  outside[4 + 3] = '\x7F';
  EXPECT_THROW(Charsmap(outside, "test"), ModelLoadingError);
}

TEST(Charsmap, Base64) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("aGk="), "hi");
  EXPECT_EQ(decode_base64("aGkh"), "hi!");
  EXPECT_EQ(decode_base64("/+8="), "\xFF\xEF");
  for (const char* bad : {"a", "aGk", "aG k", "a===", "aGl=", "=aGk"}) EXPECT_FALSE(decode_base64(bad)) << bad;
}

TEST(Precompiled, ReplacesAndAdds) {
  EXPECT_EQ(normalize(precompiled(), "xyz"), (Result{"xyz", {{0, 1}, {1, 2}, {2, 3}}}));
  EXPECT_EQ(normalize(precompiled(), "aAc"), (Result{"abc", {{0, 1}, {1, 2}, {2, 3}}}));
  EXPECT_EQ(normalize(precompiled(), "Lc"), (Result{"longc", {{0, 1}, {0, 1}, {0, 1}, {0, 1}, {1, 2}}}));
}

TEST(Precompiled, RemovedCharactersGoWithTheOneBefore) {
  EXPECT_EQ(normalize(precompiled(), "aXXb"), (Result{"ab", {{0, 1}, {3, 4}}}));
  // At the beginning there is none before, and every source shifts.
  EXPECT_EQ(normalize(precompiled(), "XXab"), (Result{"ab", {{0, 1}, {1, 2}}}));
  // If the one before was added, it takes the place of the first removed.
  EXPECT_EQ(normalize(precompiled(), "LXXb"), (Result{"longb", {{0, 1}, {0, 1}, {0, 1}, {1, 2}, {3, 4}}}));
  EXPECT_EQ(normalize(precompiled(), "X"), (Result{"", {}}));
}

TEST(Precompiled, ShortClustersAreReplacedWhole) {
  EXPECT_EQ(normalize(precompiled(), "A\u0301c"), (Result{"bc", {{0, 1}, {3, 4}}}));
  EXPECT_EQ(normalize(precompiled(), "A\u0301\u0302\u0303").text, "b\u0301\u0302\u0303");
}

TEST(Replace, TakesTheLastSource) {
  EXPECT_EQ(normalize(ReplaceNormalizer{"", " "}, "a   b"), (Result{"a b", {{0, 1}, {3, 4}, {4, 5}}}));
  EXPECT_EQ(normalize(ReplaceNormalizer{"ab", "xyz"}, "aabc").text, "axyzc");
  EXPECT_EQ(normalize(ReplaceNormalizer{"ab", "xy"}, "ab"), (Result{"xy", {{1, 2}, {1, 2}}}));
  EXPECT_EQ(normalize(ReplaceNormalizer{"a", ""}, "aba"), (Result{"b", {{1, 2}}}));
}

TEST(Bert, CleansLowersAndSplitsChinese) {
  const BertNormalizer bert(
      {.clean_text = true, .handle_chinese_chars = true, .strip_accents = true, .lowercase = true});
  EXPECT_EQ(normalize(bert, "\tA\x07\u00C9\u00A0").text, " ae ");
  EXPECT_EQ(normalize(bert, "a中"), (Result{"a 中 ", {{0, 1}, {1, 4}, {1, 4}, {1, 4}, {1, 4}, {1, 4}}}));
  EXPECT_EQ(normalize(bert, "\u0130\uD55C").text, "i\u1112\u1161\u11AB");
  const BertNormalizer lower(
      {.clean_text = false, .handle_chinese_chars = false, .strip_accents = false, .lowercase = true});
  EXPECT_EQ(normalize(lower, "\u0130\u03A3\u10A0").text, "i\u0307\u03C3\u2D00");
}

}  // namespace
}  // namespace bgem3
