#include "hub/content_hash.h"

#include <gtest/gtest.h>

#include "model/test_files.h"

namespace bgem3 {
namespace {

const std::string kContent = "weights";
// Of `printf weights | sha256sum` and `printf weights | git hash-object --stdin`.
const std::string kSha256 = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c";
const std::string kGitSha1 = "3ab313fff6f41bb35969cd359e9ddfb8033b3ac2";

std::optional<ContentHash::Mismatch> check(const std::string& etag, const std::string& published,
                                           std::string_view content = kContent) {
  ContentHash hash(etag, published, content.size());
  hash.add(std::as_bytes(std::span(content.substr(0, 3))));
  hash.add(std::as_bytes(std::span(content.substr(3))));
  return hash.finish();
}

TEST(ContentHash, KnowsBothKindsOfEtags) {
  EXPECT_FALSE(check(kSha256, ""));
  EXPECT_FALSE(check(kGitSha1, ""));
  EXPECT_FALSE(check("something-else", ""));
  EXPECT_FALSE(check(kGitSha1, kSha256));
}

TEST(ContentHash, SaysWhatWasExpectedAndFound) {
  for (const std::string& etag : {kSha256, kGitSha1}) {
    const auto mismatch = check(etag, "", "weightz");
    ASSERT_TRUE(mismatch);
    EXPECT_EQ(mismatch->source, "its etag");
    EXPECT_EQ(mismatch->expected, etag);
    EXPECT_EQ(mismatch->found.size(), etag.size());
    EXPECT_NE(mismatch->found, etag);
  }
  EXPECT_EQ(check(kGitSha1, std::string(64, '0'))->source, "the list of bge-m3's files");
  EXPECT_EQ(check(kSha256, std::string(64, '0'))->found, kSha256);
}

TEST(IsIntact, OfFilesOnDisk) {
  const TemporaryFolder folder;
  folder.write("good", kContent);
  folder.write("bad", "weightz");
  FileHashes hashes("");
  for (const std::string& etag : {kSha256, kGitSha1}) {
    EXPECT_TRUE(is_intact(folder.path("good"), etag, "", 7, hashes));
    EXPECT_FALSE(is_intact(folder.path("good"), etag, "", 8, hashes));
    EXPECT_FALSE(is_intact(folder.path("bad"), etag, "", 7, hashes));
  }
  EXPECT_TRUE(is_intact(folder.path("bad"), "no-hash", "", 7, hashes));
  EXPECT_FALSE(is_intact(folder.path("bad"), "no-hash", kSha256, 7, hashes));
  EXPECT_FALSE(is_intact(folder.path("none"), kSha256, "", 7, hashes));
}

}  // namespace
}  // namespace bgem3
