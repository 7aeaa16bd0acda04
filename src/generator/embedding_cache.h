// Vectors remembered by what they were made of: in memory, and in a file if one is given. Start at EmbeddingCache.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bgem3 {

// SHA-256 over the text and everything else that its vector depends on.
using CacheKey = std::array<std::byte, 32>;
CacheKey cache_key(std::string_view context, std::string_view text);

struct CachedEmbedding {
  std::vector<float> vector;
  size_t tokens = 0;
  bool truncated = false;
};

// Any number of threads, and of processes with the same file. Whatever goes wrong with the file costs computing a
// vector again, never more: it is an incident, and the cache goes on in memory.
class EmbeddingCache {
 public:
  struct Entry {
    CacheKey key;
    CachedEmbedding embedding;
  };

  // At most capacity_bytes in memory and as many in the file; the entries that were used longest ago give way. An empty
  // path: memory only. Throws as Database::open.
  EmbeddingCache(size_t capacity_bytes, const std::string& path);
  ~EmbeddingCache();

  // Cost: microseconds in memory, tens of them in the file.
  std::optional<CachedEmbedding> find(const CacheKey& key);
  // One transaction, so that many entries cost little more than one.
  void store(std::vector<Entry> entries);

  void clear_memory();
  size_t memory_bytes() const;

  // What went wrong with the file since the last time, one line each.
  std::vector<std::string> take_incidents();

 private:
  class File;
  struct Hash {
    size_t operator()(const CacheKey& key) const;
  };

  void store_in_memory(Entry entry);
  // Does something with the file, if there is one; damage sets it aside, another failure gives it up.
  void with_file(const std::function<void(File&)>& action);
  void open_file();

  const size_t capacity_bytes_;
  const std::string path_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the one used last in front
  std::unordered_map<CacheKey, std::list<Entry>::iterator, Hash> places_;
  size_t memory_bytes_ = 0;
  std::unique_ptr<File> file_;  // empty: none, or given up
  std::vector<std::string> incidents_;
};

}  // namespace bgem3
