#include "base/weak_hashes.h"

#include <gtest/gtest.h>

#include <string_view>

namespace bgem3 {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// Source of the values: RFC 1321, A.5; FIPS 180-2, appendix A.
TEST(WeakHashes, EqualThePublishedExamples) {
  EXPECT_EQ(md5_hex(bytes("")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5_hex(bytes("message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(sha1_hex(bytes("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(WeakHashes, Sha1OfPiecesIsThatOfAll) {
  Sha1 pieces;
  pieces.add(bytes("a"));
  pieces.add({});
  pieces.add(bytes("bc"));
  EXPECT_EQ(pieces.hex(), sha1_hex(bytes("abc")));
}

}  // namespace
}  // namespace bgem3
