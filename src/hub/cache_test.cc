#include "hub/cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/file.h"
#include "model/test_files.h"

namespace bgem3 {
namespace {

namespace fs = std::filesystem;

const std::string kCommit = "0000000000000000000000000000000000000001";
const Notice kSilent = [](const std::string&) {};

std::string text_of(const std::string& path) { return read_file(path, 1000); }

TEST(RepositoryCache, LinksIntoSnapshotsAtAnyDepth) {
  const TemporaryFolder folder;
  const RepositoryCache cache(folder.path() + "/", "org/name", true);
  cache.prepare();
  folder.write("models--org--name/blobs/abc", "content");
  for (const std::string name : {"a", "b/c", "b/d/e"}) {
    cache.add(kCommit, name, "abc", true);
    EXPECT_EQ(text_of(cache.snapshot_path(kCommit, name)), "content");
    EXPECT_EQ(cache.etag_of(kCommit, name), "abc");
  }
  EXPECT_EQ(fs::read_symlink(folder.path("models--org--name/snapshots/" + kCommit + "/b/c")), "../../../blobs/abc");
  // A link is replaced.
  folder.write("models--org--name/blobs/def", "other");
  cache.add(kCommit, "a", "def", true);
  EXPECT_EQ(text_of(cache.snapshot_path(kCommit, "a")), "other");
  EXPECT_EQ(cache.etag_of(kCommit, "none"), "");
}

TEST(RepositoryCache, WithoutLinksAFreshBlobMovesAndAnOldOneIsCopied) {
  const TemporaryFolder folder;
  const RepositoryCache cache(folder.path(), "org/name", false);
  cache.prepare();
  folder.write("models--org--name/blobs/abc", "content");
  cache.add(kCommit, "copy", "abc", false);
  EXPECT_TRUE(is_file(cache.blob_path("abc")));
  cache.add(kCommit, "moved", "abc", true);
  EXPECT_FALSE(is_file(cache.blob_path("abc")));
  for (const char* name : {"copy", "moved"}) EXPECT_EQ(text_of(cache.snapshot_path(kCommit, name)), "content");
  EXPECT_EQ(cache.etag_of(kCommit, "copy"), "");
}

TEST(RepositoryCache, ReferencesAndAbsentFiles) {
  const TemporaryFolder folder;
  const RepositoryCache cache(folder.path(), "org/name", true);
  cache.prepare();
  EXPECT_FALSE(cache.has_reference("main"));
  cache.write_reference("main", kCommit);
  cache.write_reference("refs/pr/1", kCommit);
  EXPECT_EQ(text_of(folder.path("models--org--name/refs/main")), kCommit);
  EXPECT_EQ(text_of(folder.path("models--org--name/refs/refs/pr/1")), kCommit);
  EXPECT_TRUE(cache.has_reference("main"));
  const auto before = fs::last_write_time(folder.path("models--org--name/refs/main"));
  cache.write_reference("main", kCommit);
  EXPECT_EQ(fs::last_write_time(folder.path("models--org--name/refs/main")), before);

  EXPECT_FALSE(cache.is_marked_absent(kCommit, "a/b"));
  cache.mark_absent(kCommit, "a/b");
  cache.mark_absent(kCommit, "a/b");
  EXPECT_TRUE(cache.is_marked_absent(kCommit, "a/b"));
}

TEST(RepositoryCache, NamesStayInside) {
  const TemporaryFolder folder;
  const RepositoryCache cache(folder.path(), "org/name", true);
  for (const char* name : {"../x", "/x", "a/../../x", ""}) {
    EXPECT_EQ(caught([&] { cache.snapshot_path(kCommit, name); }).code, ErrorCode::corrupt) << name;
    EXPECT_EQ(caught([&] { cache.blob_path(name); }).code, ErrorCode::corrupt) << name;
    EXPECT_EQ(caught([&] { cache.write_reference(name, kCommit); }).code, ErrorCode::corrupt) << name;
  }
}

TEST(RepositoryCache, MarksTheCacheForBackups) {
  const TemporaryFolder folder;
  RepositoryCache(folder.path(), "org/name", true).prepare();
  EXPECT_TRUE(text_of(folder.path("CACHEDIR.TAG")).starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
  folder.write("CACHEDIR.TAG", "of another program");
  RepositoryCache(folder.path(), "org/name", true).prepare();
  EXPECT_EQ(text_of(folder.path("CACHEDIR.TAG")), "of another program");
}

TEST(BlobLock, WaitsForWhoHoldsIt) {
  const TemporaryFolder folder;
  const std::string path = folder.path("etag.lock");
  std::atomic<bool> waiting = false, released = false;
  auto first = std::make_unique<BlobLock>(path, std::stop_token(), kSilent, "a");
  std::thread second([&] {
    const BlobLock lock(
        path, {}, [&](const std::string& what) { waiting = what.starts_with("a: another process"); }, "a");
    EXPECT_TRUE(released);
    EXPECT_TRUE(lock.is_exclusive());
  });
  while (!waiting) std::this_thread::yield();
  released = true;
  first.reset();
  second.join();
  EXPECT_TRUE(is_file(path)) << "the file stays, as huggingface_hub leaves it";
}

TEST(BlobLock, WaitsNoLongerThanAskedTo) {
  const TemporaryFolder folder;
  const BlobLock held(folder.path("etag.lock"), {}, kSilent, "a");
  std::stop_source stop;
  const Caught error = caught([&] {
    const BlobLock lock(
        folder.path("etag.lock"), stop.get_token(), [&](const std::string&) { stop.request_stop(); }, "a");
  });
  EXPECT_EQ(error.code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace bgem3
