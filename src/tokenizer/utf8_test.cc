#include "tokenizer/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bgem3 {
namespace {

using namespace std::string_literals;

TEST(Utf8, EncodesAndDecodesEveryCodePoint) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const utf8::Bytes bytes(c);
    ASSERT_EQ(utf8::find_ill_formed(bytes.view(), 0).begin, bytes.view().size()) << static_cast<uint32_t>(c);
    const auto decoded = utf8::decode(bytes.view(), 0);
    ASSERT_EQ(decoded.value, c);
    ASSERT_EQ(decoded.length, bytes.view().size());
    ASSERT_EQ(utf8::length(bytes.view()[0]), bytes.view().size());
  }
}

// The ill-formed parts of a text as their lengths.
std::vector<size_t> ill_formed_lengths(std::string_view text) {
  std::vector<size_t> lengths;
  for (size_t at = 0; at < text.size();) {
    const auto [begin, end] = utf8::find_ill_formed(text, at);
    if (begin == text.size()) break;
    lengths.push_back(end - begin);
    at = end;
  }
  return lengths;
}

TEST(Utf8, FindsMaximalIllFormedParts) {
  using Lengths = std::vector<size_t>;
  EXPECT_EQ(ill_formed_lengths("plain"), Lengths{});
  EXPECT_EQ(ill_formed_lengths("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), Lengths(8, 1));  // Unicode 16, table 3-8
  EXPECT_EQ(ill_formed_lengths("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), Lengths(8, 1));  // table 3-9: surrogates
  EXPECT_EQ(ill_formed_lengths("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), Lengths(7, 1));  // table 3-10
  EXPECT_EQ(ill_formed_lengths("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), (Lengths{2, 1, 3, 2}));  // table 3-11
  EXPECT_EQ(ill_formed_lengths("ab\xE4\xB8"), Lengths{2});                                       // cut short at the end
  EXPECT_EQ(ill_formed_lengths("12345678\xFF"
                               "12345678"),
            Lengths{1});
}

}  // namespace
}  // namespace bgem3
