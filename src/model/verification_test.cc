#include "model/verification.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/sha256.h"
#include "base/weak_hashes.h"
#include "model/test_files.h"

namespace bgem3 {
namespace {

// A snapshot as huggingface_hub lays it out: files are links to blobs with the hash of their content as name.
class VerificationTest : public testing::Test {
 protected:
  VerificationTest() { files_.revision = "abc"; }
  void add_blob(const std::string& name, const std::string& content, const std::string& blob) {
    folder_.write("blobs/" + blob, content);
    folder_.write("snapshots/x/.keep", "");
    std::filesystem::create_symlink("../../blobs/" + blob, folder_.path("snapshots/x/" + name));
    add(name, folder_.path("snapshots/x/" + name), content.size());
  }
  void add_large(const std::string& name, const std::string& content) {
    add_blob(name, content, sha256_hex(as_bytes(content)));
  }
  void add_small(const std::string& name, const std::string& content) {
    add_blob(name, content, sha1_hex(as_bytes("blob " + std::to_string(content.size()) + '\0' + content)));
  }
  void add_plain(const std::string& name, const std::string& content) {
    folder_.write("plain/" + name, content);
    add(name, folder_.path("plain/" + name), content.size());
  }
  void add(const std::string& name, const std::string& path, size_t size) {
    files_.files.push_back({.name = name, .path = path, .size_bytes = size, .sha256 = {}, .verified = {}});
  }
  std::string verify() {
    for (ModelFile& file : files_.files) file.verified.clear();
    FileHashes hashes("");
    return verify_files(files_, hashes);
  }

  const TemporaryFolder folder_;
  ModelFiles files_;
};

TEST_F(VerificationTest, BlobsThatAreWhatTheirNamesSay) {
  add_large("model.safetensors", "weights");
  add_small("config.json", "{}\n");
  EXPECT_EQ(verify(), "blob names");
  EXPECT_EQ(files_.files[0].verified, "blob name");
  EXPECT_EQ(files_.files[1].verified, "blob name");
}

TEST_F(VerificationTest, ABlobThatChangedIsRefusedWithBothHashes) {
  add_large("model.safetensors", "weights");
  add_small("config.json", "{}");
  folder_.write("blobs/" + sha256_hex(as_bytes("weights")), "weightz");
  Caught error = caught([&] { verify(); });
  EXPECT_EQ(error.code, ErrorCode::corrupt);
  EXPECT_TRUE(error.says(sha256_hex(as_bytes("weights")))) << error.message;
  EXPECT_TRUE(error.says(sha256_hex(as_bytes("weightz")))) << error.message;
  EXPECT_TRUE(error.says("model.safetensors"));
  folder_.write("blobs/" + sha256_hex(as_bytes("weights")), "weights");
  EXPECT_EQ(verify(), "blob names");
  folder_.write("blobs/" + sha1_hex(as_bytes(std::string("blob 2\0{}", 9))), "[]");
  error = caught([&] { verify(); });
  EXPECT_EQ(error.code, ErrorCode::corrupt);
  EXPECT_TRUE(error.says("config.json")) << error.message;
}

TEST_F(VerificationTest, WithoutAHashAModelIsUnverified) {
  add_large("model.safetensors", "weights");
  add_plain("config.json", "{}");  // a file where a link is expected
  EXPECT_EQ(verify(), "unverified");
  EXPECT_EQ(files_.files[0].verified, "blob name");
  EXPECT_EQ(files_.files[1].verified, "");
  files_.files.clear();
  add_blob("tokenizer.json", "x", "an-etag-that-is-no-hash");
  EXPECT_EQ(verify(), "unverified");
  files_.files.clear();
  files_.revision.clear();
  add_plain("config.json", "{}");
  EXPECT_EQ(verify(), "unverified");
}

// A file of the revision that is listed must be the listed one, whatever the cache calls it.
TEST_F(VerificationTest, ThePinnedRevisionsFilesAreCompared) {
  files_.revision = "5617a9f61b028005a4858fdac845db406aefb181";
  add_small("modules.json", "[]");
  const Caught error = caught([&] { verify(); });
  EXPECT_EQ(error.code, ErrorCode::corrupt);
  EXPECT_TRUE(error.says("84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf")) << error.message;
  files_.files.clear();
  add_large("model.safetensors", "converted by the user");  // not in that revision
  EXPECT_EQ(verify(), "blob names");
  files_.revision = "9a0624b896d81da7492a910ffa53731274b6cf3d";
  EXPECT_EQ(caught([&] { verify(); }).code, ErrorCode::corrupt);
}

TEST_F(VerificationTest, PublishedFilesAreRecognisedInASnapshotAndAsACopy) {
  const std::string published = "{\n  \"max_seq_length\": 8192,\n  \"do_lower_case\": false\n}";
  files_.revision = "5617a9f61b028005a4858fdac845db406aefb181";
  add_small("sentence_bert_config.json", published);
  EXPECT_EQ(verify(), "published");
  EXPECT_EQ(files_.files[0].verified, "published");
  files_.files.clear();
  files_.revision.clear();
  add_plain("sentence_bert_config.json", published);
  EXPECT_EQ(verify(), "published");
  folder_.write("plain/sentence_bert_config.json", std::string(published.size(), ' '));  // the same size
  EXPECT_EQ(verify(), "unverified");
}

// One file at a time nothing is thrown: the verdict has both hashes.
TEST_F(VerificationTest, AVerdictHasWhatWasExpectedAndFound) {
  FileHashes hashes("");
  const auto verdict = [&](bool published) { return verify_file(files_, files_.files.back(), published, hashes); };
  add_large("model.safetensors", "weights");
  EXPECT_EQ(verdict(false).source, "blob name");
  EXPECT_TRUE(verdict(false).matches());
  folder_.write("blobs/" + sha256_hex(as_bytes("weights")), "weightz");
  FileHashes anew("");
  const FileVerdict changed = verify_file(files_, files_.files.back(), false, anew);
  EXPECT_FALSE(changed.matches());
  EXPECT_EQ(changed.expected, sha256_hex(as_bytes("weights")));
  EXPECT_EQ(changed.found, sha256_hex(as_bytes("weightz")));

  files_.revision.clear();
  add_plain("config.json", "{}");
  EXPECT_EQ(verdict(false).source, "");
  EXPECT_TRUE(verdict(false).matches());
  EXPECT_EQ(verdict(true).source, "published");  // whoever says that it is bge-m3 is held to it
  EXPECT_FALSE(verdict(true).matches());
  add_plain("notes.txt", "not one of its files");
  EXPECT_EQ(verdict(true).source, "");
}

TEST(PublishedSha256, OfTheListedRevisionsOnly) {
  const std::string pinned = pinned_revision("BAAI/bge-m3");
  const std::string with_safetensors = "9a0624b896d81da7492a910ffa53731274b6cf3d";
  EXPECT_EQ(published_sha256(pinned, "config.json"),
            "26159e7ad065073448460117eb24b7a4572f6f4e78eadff65dc0a11c052449fa");
  EXPECT_EQ(published_sha256(with_safetensors, "config.json"), published_sha256(pinned, "config.json"));
  EXPECT_EQ(published_sha256(pinned, "model.safetensors"), "");
  EXPECT_NE(published_sha256(with_safetensors, "model.safetensors"), "");
  EXPECT_EQ(published_sha256(pinned, "README.md"), "");
  EXPECT_EQ(published_sha256("main", "config.json"), "");
}

}  // namespace
}  // namespace bgem3
