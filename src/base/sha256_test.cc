#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string_view>

namespace bgem3 {
namespace {

// Source of the values: FIPS 180-2, appendix B.
TEST(Sha256, EqualsThePublishedExamples) {
  const auto hex = [](std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); };
  EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, PiecesGiveTheSameAsTheWhole) {
  const std::string_view text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  Sha256 hash;
  hash.add(std::as_bytes(std::span(text.substr(0, 5))));
  hash.add(std::as_bytes(std::span(text.substr(5))));
  EXPECT_EQ(hash.hex(), sha256_hex(std::as_bytes(std::span(text))));
}

}  // namespace
}  // namespace bgem3
