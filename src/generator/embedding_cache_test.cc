#include "generator/embedding_cache.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/file.h"
#include "generator/database.h"
#include "model/test_files.h"

namespace bgem3 {
namespace {

CacheKey key(int number) { return cache_key("test", std::to_string(number)); }

EmbeddingCache::Entry entry(int number, size_t width = 4) {
  return {key(number),
          {std::vector<float>(width, static_cast<float>(number)), static_cast<size_t>(number), number % 2 == 1}};
}

void put(EmbeddingCache& cache, int number, size_t width = 4) {
  std::vector<EmbeddingCache::Entry> entries;
  entries.push_back(entry(number, width));
  cache.store(std::move(entries));
}

void expect_found(EmbeddingCache& cache, int number, size_t width = 4) {
  const auto found = cache.find(key(number));
  ASSERT_TRUE(found) << number;
  EXPECT_EQ(found->vector, std::vector<float>(width, static_cast<float>(number)));
  EXPECT_EQ(found->tokens, static_cast<size_t>(number));
  EXPECT_EQ(found->truncated, number % 2 == 1);
}

TEST(CacheKeyTest, DependsOnContextAndText) {
  EXPECT_EQ(cache_key("a", "b"), cache_key("a", "b"));
  EXPECT_NE(cache_key("a", "b"), cache_key("b", "b"));
  EXPECT_NE(cache_key("a", "b"), cache_key("a", "c"));
  EXPECT_NE(cache_key("a", "bc"), cache_key("ab", "c"));
}

TEST(EmbeddingCache, TheOnesUsedLongestAgoGiveWay) {
  const size_t each = 4 * sizeof(float) + 192;
  EmbeddingCache cache(3 * each, "");
  for (int i = 1; i <= 3; i++) put(cache, i);
  EXPECT_EQ(cache.memory_bytes(), 3 * each);
  expect_found(cache, 1);
  put(cache, 4);
  EXPECT_FALSE(cache.find(key(2)));
  for (const int i : {1, 3, 4}) expect_found(cache, i);
  EXPECT_EQ(cache.memory_bytes(), 3 * each);
  put(cache, 5, 1000);  // larger than all there is
  EXPECT_FALSE(cache.find(key(5)));
  for (const int i : {1, 3, 4}) expect_found(cache, i);
  cache.clear_memory();
  EXPECT_EQ(cache.memory_bytes(), 0u);
  EXPECT_FALSE(cache.find(key(1)));
}

class EmbeddingCacheFile : public testing::Test {
 protected:
  const TemporaryFolder folder_;
  const std::string path_ = folder_.path("vectors.db");
};

TEST_F(EmbeddingCacheFile, RemembersAfterTheMemoryIsCleared) {
  {
    EmbeddingCache cache(1 << 20, path_);
    std::vector<EmbeddingCache::Entry> entries;
    for (int i = 0; i < 20; i++) entries.push_back(entry(i));
    cache.store(std::move(entries));
    cache.clear_memory();
    for (int i = 0; i < 20; i++) expect_found(cache, i);
    EXPECT_FALSE(cache.find(key(20)));
  }
  EmbeddingCache cache(1 << 20, path_);
  for (int i = 0; i < 20; i++) expect_found(cache, i);
  EXPECT_TRUE(cache.take_incidents().empty());
}

TEST_F(EmbeddingCacheFile, StaysWithinItsBytesAndKeepsTheNewest) {
  constexpr size_t kCapacity = 1 << 20;
  {
    EmbeddingCache cache(kCapacity, path_);
    for (int batch = 0; batch < 40; batch++) {
      std::vector<EmbeddingCache::Entry> entries;
      for (int i = 0; i < 25; i++) entries.push_back(entry(batch * 25 + i, 1024));
      cache.store(std::move(entries));
    }
    EXPECT_LE(cache.memory_bytes(), kCapacity);
  }
  EXPECT_LT(OpenFile(path_).size(), kCapacity + (256 << 10));
  EmbeddingCache cache(kCapacity, path_);
  expect_found(cache, 999, 1024);
  EXPECT_FALSE(cache.find(key(0)));
}

TEST_F(EmbeddingCacheFile, ADamagedFileIsSetAsideAndReported) {
  folder_.write("vectors.db", std::string(5000, 'x'));
  EmbeddingCache cache(1 << 20, path_);
  const std::vector<std::string> incidents = cache.take_incidents();
  ASSERT_EQ(incidents.size(), 1u);
  EXPECT_NE(incidents[0].find("vectors.db.damaged-1"), std::string::npos) << incidents[0];
  put(cache, 1);
  cache.clear_memory();
  expect_found(cache, 1);
  EXPECT_TRUE(cache.take_incidents().empty());
}

// The pages in the middle are overwritten while no process has it open, so that opening does not see it.
TEST_F(EmbeddingCacheFile, DamageFoundLaterIsSetAsideToo) {
  {
    EmbeddingCache cache(8 << 20, path_);
    std::vector<EmbeddingCache::Entry> entries;
    for (int i = 0; i < 500; i++) entries.push_back(entry(i, 256));
    cache.store(std::move(entries));
  }
  std::string content = read_file(path_, 1 << 24);
  for (size_t i = 8192; i < content.size(); i++) content[i] = '\x55';
  folder_.write("vectors.db", content);
  EmbeddingCache cache(8 << 20, path_);
  for (int i = 0; i < 500; i++) EXPECT_FALSE(cache.find(key(i)));
  const std::vector<std::string> incidents = cache.take_incidents();
  ASSERT_FALSE(incidents.empty());
  EXPECT_NE(incidents[0].find("set aside"), std::string::npos) << incidents[0];
  put(cache, 1);
  cache.clear_memory();
  expect_found(cache, 1);
}

TEST_F(EmbeddingCacheFile, AnEntryThatChangedIsNotServed) {
  {
    EmbeddingCache cache(1 << 20, path_);
    put(cache, 1);
    put(cache, 2);
  }
  Database::open(path_, {.application_id = 0x62676501, .version = 1, .name = "", .schema = ""}, {})
      .run("UPDATE entries SET tokens = 7 WHERE tokens = 1");
  EmbeddingCache cache(1 << 20, path_);
  EXPECT_FALSE(cache.find(key(1)));
  expect_found(cache, 2);
  ASSERT_EQ(cache.take_incidents().size(), 1u);
  EXPECT_FALSE(cache.find(key(1)));
  EXPECT_TRUE(cache.take_incidents().empty());  // it was removed
  put(cache, 1);
  cache.clear_memory();
  expect_found(cache, 1);
}

TEST_F(EmbeddingCacheFile, ManyCachesShareIt) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      EmbeddingCache cache(8 << 20, path_);
      for (int i = 0; i < 30; i++) put(cache, t * 10 + i);
      EXPECT_TRUE(cache.take_incidents().empty());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EmbeddingCache cache(8 << 20, path_);
  for (int i = 0; i < 60; i++) expect_found(cache, i);
}

TEST_F(EmbeddingCacheFile, WhatCannotBeOpenedIsAnError) {
  EXPECT_EQ(caught([&] { EmbeddingCache(1, folder_.path("missing/x.db")); }).code, ErrorCode::io);
}

}  // namespace
}  // namespace bgem3
