#include "embedder/cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/file.h"
#include "embedder/test_embedder.h"
#include "encoder/packed_model.h"

namespace bgem3 {
namespace {

namespace fs = std::filesystem;

class CacheTest : public EmbedderTest {
 protected:
  CacheTest() {
    const PackedCacheFile built = open().info().packed;
    EXPECT_EQ(built.state, "built");
    packed_ = fs::path(built.path).filename();
  }

  std::string path(const std::string& name = "") const { return model_.folder() + "/cache/" + name; }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
  }
  // The same name with another layout.
  std::string of_layout(int layout) const {
    return packed_.substr(0, packed_.rfind('-') + 1) + std::to_string(layout) + ".packed";
  }
  CacheEntry entry(const std::string& name, bool every_byte = false) const {
    return inspect_cache_file(path(name), every_byte);
  }
  CleanReport clean(bool all = false, bool dry_run = false) const {
    return clean_cache({.cache = {.cache_dir = path()}, .all = all, .dry_run = dry_run});
  }
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& file : fs::directory_iterator(path())) found.insert(file.path().filename());
    return found;
  }

  std::string packed_;  // the name of the packed weights
};

TEST_F(CacheTest, ListsPackedWeightsAndHashes) {
  write("digests", "");  // those of files this fresh are not kept
  const CacheListing listing = list_cache({.cache_dir = path()});
  EXPECT_EQ(listing.folder, path());
  ASSERT_EQ(listing.entries.size(), 2u);
  const CacheEntry& weights = listing.entries[0].name == "digests" ? listing.entries[1] : listing.entries[0];
  EXPECT_EQ(weights.state, CacheState::current);
  EXPECT_EQ(weights.content, "packed weights");
  EXPECT_EQ(weights.model, model_.folder());
  EXPECT_EQ(weights.dtype, "f32");
  EXPECT_EQ(weights.layout, kPackedLayout);
  EXPECT_EQ(weights.size_bytes, fs::file_size(weights.path));
  EXPECT_EQ(open().info().digest.substr(0, 32), weights.digest);
  EXPECT_GT(weights.used_s, 1'600'000'000);
  EXPECT_EQ(entry("digests").content, "hashes");
}

TEST_F(CacheTest, AFolderThatIsNotThereIsEmpty) {
  EXPECT_TRUE(list_cache({.cache_dir = path("none")}).entries.empty());
  EXPECT_EQ(clean_cache({.cache = {.cache_dir = path("none")}}).freed_bytes, 0u);
  EXPECT_FALSE(fs::exists(path("none")));
}

TEST_F(CacheTest, StatesOfFiles) {
  fs::copy_file(path(packed_), path(of_layout(kPackedLayout - 1)));
  fs::copy_file(path(packed_), path(of_layout(kPackedLayout + 1)));
  EXPECT_EQ(entry(of_layout(kPackedLayout - 1)).state, CacheState::old);
  EXPECT_EQ(entry(of_layout(kPackedLayout + 1)).state, CacheState::newer);
  std::string other = packed_;
  other[0] = other[0] == 'a' ? 'b' : 'a';
  fs::copy_file(path(packed_), path(other));
  EXPECT_EQ(entry(other).state, CacheState::damaged);  // made for another digest
  EXPECT_NE(entry(other).note, "");
  write(other, "");
  EXPECT_EQ(entry(other).state, CacheState::damaged);
  fs::resize_file(path(packed_), fs::file_size(path(packed_)) - 1);
  EXPECT_EQ(entry(packed_).state, CacheState::damaged);
}

TEST_F(CacheTest, AFlippedBitOfTheWeightsShowsWhenEveryByteIsRead) {
  std::fstream file(path(packed_), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(fs::file_size(path(packed_)) / 2));
  file.put('\x55');
  file.close();
  EXPECT_EQ(entry(packed_).state, CacheState::current);
  EXPECT_EQ(entry(packed_, true).state, CacheState::damaged);
  EXPECT_EQ(clean().deleted.size(), 0u);
  EXPECT_EQ(clean_cache({.cache = {.cache_dir = path(), .every_byte = true}}).deleted.size(), 1u);
}

TEST_F(CacheTest, CleanDeletesLeftOversAndNothingElse) {
  write("digests", "x");
  const std::set<std::string> before = names();
  fs::copy_file(path(packed_), path(of_layout(kPackedLayout - 1)));
  fs::copy_file(path(packed_), path(of_layout(kPackedLayout + 1)));
  write(of_layout(kPackedLayout - 1) + ".part", "unfinished");
  write("digests.part", "unfinished");
  std::set<std::string> foreign = {"notes.txt",
                                   "notes.part",
                                   "x-f32-3.packed",
                                   "folder",
                                   std::string(32, 'a') + "-f64-3.packed",
                                   std::string(32, 'a') + "-f32-x.packed"};
  fs::create_directory(path("folder"));
  for (const std::string& name : foreign) {
    if (name != "folder") write(name, "mine");
  }
  const std::string link = std::string(32, 'b') + "-f32-1.packed", folder = std::string(32, 'c') + "-f32-1.packed";
  write("target", "mine");
  fs::create_symlink(path("target"), path(link));
  fs::create_directory(path(folder));
  for (const char* name : {"target"}) foreign.insert(name);
  foreign.insert({link, folder});

  const CleanReport dry = clean(false, true);
  EXPECT_EQ(names().size(), before.size() + foreign.size() + 4);
  const CleanReport report = clean();
  EXPECT_EQ(report.deleted.size(), 3u);
  EXPECT_EQ(dry.deleted.size(), 3u);
  EXPECT_EQ(dry.freed_bytes, report.freed_bytes);
  EXPECT_EQ(report.failures, std::vector<std::string>{});
  std::set<std::string> expected = before;
  expected.insert(of_layout(kPackedLayout + 1));
  expected.insert(foreign.begin(), foreign.end());
  EXPECT_EQ(names(), expected);
  EXPECT_EQ(clean(true).deleted.size(), 3u);  // newer, current, hashes
  EXPECT_EQ(names(), foreign);
}

TEST_F(CacheTest, AFileThatIsBeingWrittenIsKept) {
  const std::string name = of_layout(kPackedLayout + 1);
  {
    FileWriter writer(path(name));
    EXPECT_EQ(entry(name + ".part").state, CacheState::writing);
    EXPECT_TRUE(is_being_written(path(name)));
    EXPECT_FALSE(remove_unfinished(path(name)));
    EXPECT_EQ(clean(true).deleted.size(), 1u);  // the packed file of this test
    writer.publish();
  }
  EXPECT_EQ(names(), std::set<std::string>{name});
  EXPECT_FALSE(is_being_written(path(name)));
}

TEST_F(CacheTest, AnOpenModelOutlivesItsFile) {
  const Embedder embedder = open();
  ASSERT_EQ(embedder.info().packed.state, "present");
  const std::vector<float> before = embedder.embed_one("a b c");
  EXPECT_GE(clean(true).deleted.size(), 1u);
  EXPECT_EQ(embedder.embed_one("a b c"), before);
  EXPECT_EQ(open().info().packed.state, "built");
}

}  // namespace
}  // namespace bgem3
