#include "model/model_digest.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/sha256.h"
#include "model/test_files.h"

namespace bgem3 {
namespace {

// A model of small files, and an empty cache folder beside it.
class ModelDigest : public testing::Test {
 protected:
  ModelDigest() {
    folder_.write("model/config.json", "{}");
    folder_.write("model/tokenizer.json", "[]");
    folder_.write("model/weights", "0123456789");
    folder_.write("cache/.keep", "");
    files_.folder = folder_.path("model");
    files_.weights = {"weights"};
  }
  std::string digest() const { return digest_with(cache_); }
  std::string digest_with(const std::string& cache_folder, bool read_all = false) const {
    FileHashes hashes(cache_folder, read_all);
    const std::string digest = model_digest(files_, hashes);
    hashes.remember();
    return digest;
  }
  std::string memory() const { return is_file(cache_ + "/digests") ? read_file(cache_ + "/digests", 1 << 20) : ""; }
  // What is remembered says this of the weights, whatever they hold.
  void remember_of_weights(const std::string& sha256) const {
    const FileIdentity identity = OpenFile(folder_.path("model/weights")).identity();
    folder_.write("cache/digests", "nonsense\n" + sha256 + " " + std::to_string(identity.device) + " " +
                                       std::to_string(identity.inode) + " " + std::to_string(identity.size_bytes) +
                                       " " + std::to_string(identity.modified_ns) + " " +
                                       std::to_string(identity.changed_ns) + "\n");
  }

  const TemporaryFolder folder_;
  const std::string cache_ = folder_.path("cache");
  ModelFiles files_;
};

TEST_F(ModelDigest, DependsOnNamesAndContents) {
  const std::string before = digest();
  EXPECT_EQ(before.size(), 64u);
  EXPECT_EQ(digest(), before);
  folder_.write("model/weights", "0123456780");
  const std::string changed = digest();
  EXPECT_NE(changed, before);
  folder_.write("model/weights", "0123456789");
  EXPECT_EQ(digest(), before);
  folder_.write("model/other", "0123456789");
  files_.weights = {"other"};
  EXPECT_NE(digest(), before);
  files_.weights = {"weights"};
  folder_.write("model/sparse_linear.pt", "head");
  EXPECT_EQ(digest(), before);  // found after the files were listed
  files_.files.push_back({.name = "sparse_linear.pt", .path = {}, .sha256 = {}, .verified = {}});
  EXPECT_NE(digest(), before);
  files_.files.pop_back();
  folder_.write("model/tokenizer.json", "{}");
  EXPECT_NE(digest(), before);
}

TEST_F(ModelDigest, AJustWrittenFileIsNotRemembered) {
  digest();
  EXPECT_EQ(memory(), "");
}

TEST_F(ModelDigest, ARememberedHashSpareReadingTheFile) {
  const std::string before = digest();
  remember_of_weights(std::string(64, 'a'));
  EXPECT_NE(digest(), before);  // it believes what is remembered
  EXPECT_EQ(digest_with(cache_, true), before);
  remember_of_weights(sha256_hex(std::as_bytes(std::span(std::string_view("0123456789")))));
  EXPECT_EQ(digest(), before);
}

TEST_F(ModelDigest, AChangedFileIsReadAgain) {
  const std::string before = digest();
  remember_of_weights(std::string(64, 'a'));
  const auto time = std::filesystem::last_write_time(folder_.path("model/weights"));
  folder_.write("model/weights", "0123456789");  // the same size, the same time of writing
  std::filesystem::last_write_time(folder_.path("model/weights"), time);
  EXPECT_EQ(digest(), before);
}

TEST_F(ModelDigest, DamagedMemoryIsNoHindrance) {
  const std::string before = digest();
  for (const std::string& damaged : {std::string("\0\n\n x", 5), std::string(2 << 20, '\n'), std::string(64, 'a')}) {
    folder_.write("cache/digests", damaged);
    EXPECT_EQ(digest(), before);
  }
  remember_of_weights(std::string(63, 'a') + "\n");
  EXPECT_EQ(digest(), before);
}

TEST_F(ModelDigest, WithoutACacheFolderFilesAreRead) {
  const std::string before = digest();
  EXPECT_EQ(digest_with(folder_.path("absent")), before);
  EXPECT_EQ(digest_with(folder_.path("model/weights")), before);
  EXPECT_EQ(digest_with(""), before);
}

TEST_F(ModelDigest, RemembersSettledFiles) {
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));  // what is_settled() asks for
  const std::string before = digest();
  const std::string remembered = memory();
  EXPECT_EQ(std::count(remembered.begin(), remembered.end(), '\n'), 3);
  EXPECT_EQ(digest(), before);
  EXPECT_EQ(memory(), remembered);
  std::vector<std::thread> threads;
  folder_.write("cache/digests", "");
  for (int i = 0; i < 4; i++) threads.emplace_back([&] { EXPECT_EQ(digest(), before); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory(), remembered);
}

}  // namespace
}  // namespace bgem3
