#include "generator/embedding_cache.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "base/sha256.h"
#include "generator/database.h"

namespace bgem3 {
namespace {

// An entry's own size, with its places in the list and in the index.
constexpr size_t kBytesOfEntry = 192;
// The time of an entry's last use is kept this coarsely, so that a hit seldom writes.
constexpr int64_t kUseSeconds = 3600;
constexpr size_t kTouchedAtOnce = 1024;
constexpr int64_t kEvictedAtOnce = 64;

constexpr DatabaseFormat kFormat = {
    .application_id = 0x62676501,  // "bge", 1
    .version = 1,
    .name = "embedding cache",
    .schema =
        "CREATE TABLE entries (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL,"
        " tokens INTEGER NOT NULL, truncated INTEGER NOT NULL, check_sum BLOB NOT NULL, vector BLOB NOT NULL);"
        "CREATE INDEX entries_used ON entries (used);"};

size_t charge(const CachedEmbedding& embedding) { return embedding.vector.size() * sizeof(float) + kBytesOfEntry; }

int64_t now_seconds() {
  using namespace std::chrono;
  return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

CacheKey sha256_of(std::span<const std::byte> first, std::span<const std::byte> second) {
  Sha256 hash;
  hash.add(first);
  hash.add(second);
  return hash.bytes();
}

// SQLite has no check sums of its own.
CacheKey check_sum(const CacheKey& key, int64_t tokens, int64_t truncated, std::span<const std::byte> vector) {
  const int64_t numbers[] = {tokens, truncated};
  Sha256 hash;
  hash.add(key);
  hash.add(std::as_bytes(std::span(numbers)));
  hash.add(vector);
  return hash.bytes();
}

}  // namespace

CacheKey cache_key(std::string_view context, std::string_view text) {
  const uint64_t size = context.size();  // so that no text can pretend to be the end of another context
  const std::string head = std::string(reinterpret_cast<const char*>(&size), sizeof size) + std::string(context);
  return sha256_of(std::as_bytes(std::span(head)), std::as_bytes(std::span(text)));
}

size_t EmbeddingCache::Hash::operator()(const CacheKey& key) const {
  size_t hash;
  std::memcpy(&hash, key.data(), sizeof hash);
  return hash;
}

// The entries on disk.
class EmbeddingCache::File {
 public:
  File(Database database, size_t capacity_bytes)
      : database_(std::move(database)),
        most_pages_(static_cast<int64_t>(capacity_bytes) / database_.ask("PRAGMA page_size")),
        find_(database_.prepare("SELECT id, used, tokens, truncated, check_sum, vector FROM entries WHERE key = ?")),
        insert_(database_.prepare("INSERT OR IGNORE INTO entries (key, used, tokens, truncated, check_sum, vector)"
                                  " VALUES (?, ?, ?, ?, ?, ?)")),
        touch_(database_.prepare("UPDATE entries SET used = ? WHERE id = ?")),
        remove_(database_.prepare("DELETE FROM entries WHERE id = ?")) {}

  // Throws EmbeddingGenerationError (corrupt) for an entry that is not what was written, which is removed.
  std::optional<CachedEmbedding> find(const CacheKey& key) {
    find_.bind(0, std::span<const std::byte>(key));
    if (!find_.step()) {
      find_.reset();
      return {};
    }
    const int64_t id = find_.integer(0), used = find_.integer(1);
    const int64_t tokens = find_.integer(2), truncated = find_.integer(3);
    const std::span<const std::byte> sum = find_.blob(4), bytes = find_.blob(5);
    CachedEmbedding found{std::vector<float>(bytes.size() / sizeof(float)), static_cast<size_t>(tokens),
                          truncated != 0};
    std::memcpy(found.vector.data(), bytes.data(), found.vector.size() * sizeof(float));
    const bool sound = std::ranges::equal(sum, check_sum(key, tokens, truncated, bytes));
    find_.reset();
    if (!sound) {
      remove_.bind(0, id).step();
      remove_.reset();
      fail<EmbeddingGenerationError>(ErrorCode::corrupt, "entry {} is not what was written; it is removed", id);
    }
    if (now_seconds() - used >= kUseSeconds) touched_.push_back(id);
    if (touched_.size() >= kTouchedAtOnce) store({});
    return found;
  }

  void store(std::span<const Entry> entries) {
    if (entries.empty() && touched_.empty()) return;
    database_.run("BEGIN IMMEDIATE");
    try {
      const int64_t now = now_seconds();
      for (const int64_t id : touched_) {
        touch_.bind(0, now).bind(1, id).step();
        touch_.reset();
      }
      for (const Entry& entry : entries) insert(entry, now);
      evict();
      database_.run("COMMIT");
    } catch (const DatabaseError&) {
      try {
        database_.run("ROLLBACK");
      } catch (const DatabaseError&) {  // it may have happened already
      }
      throw;
    }
    touched_.clear();
  }

 private:
  void insert(const Entry& entry, int64_t now) {
    const auto vector = std::as_bytes(std::span(entry.embedding.vector));
    const int64_t tokens = static_cast<int64_t>(entry.embedding.tokens), truncated = entry.embedding.truncated;
    const CacheKey sum = check_sum(entry.key, tokens, truncated, vector);
    insert_.bind(0, std::span<const std::byte>(entry.key)).bind(1, now).bind(2, tokens).bind(3, truncated);
    insert_.bind(4, std::span<const std::byte>(sum)).bind(5, vector).step();
    insert_.reset();
  }

  // Pages that are free are used again, so the file does not grow above its capacity.
  void evict() {
    while (database_.ask("PRAGMA page_count") - database_.ask("PRAGMA freelist_count") > most_pages_ &&
           database_.ask("SELECT count(*) FROM (SELECT 1 FROM entries LIMIT 1)") > 0) {
      Statement remove =
          database_.prepare("DELETE FROM entries WHERE id IN (SELECT id FROM entries ORDER BY used, id LIMIT ?)");
      remove.bind(0, kEvictedAtOnce).step();
    }
  }

  Database database_;
  const int64_t most_pages_;
  Statement find_, insert_, touch_, remove_;
  std::vector<int64_t> touched_;  // found since, and not used for long before
};

EmbeddingCache::EmbeddingCache(size_t capacity_bytes, const std::string& path)
    : capacity_bytes_(capacity_bytes), path_(path) {
  if (!path.empty()) open_file();
}

EmbeddingCache::~EmbeddingCache() {
  with_file([](File& file) { file.store({}); });
}

void EmbeddingCache::open_file() {
  const auto on_damage = [&](const std::string& new_path) {
    incidents_.push_back(fmt::format("{}: damaged; it is set aside as {}, and a new one is begun", path_, new_path));
  };
  try {
    file_ = std::make_unique<File>(Database::open(path_, kFormat, on_damage), capacity_bytes_);
  } catch (const DatabaseError& error) {
    fail<EmbeddingGenerationError>(ErrorCode::corrupt, "{}: not a usable {}: {}; remove it", path_, kFormat.name,
                                   error.what());
  }
}

void EmbeddingCache::with_file(const std::function<void(File&)>& action) {
  if (!file_) return;
  try {
    action(*file_);
  } catch (const DatabaseError& error) {
    if (error.is_busy()) {
      incidents_.push_back(fmt::format("{}: another process held it for too long; nothing is stored this time", path_));
      return;
    }
    file_.reset();
    try {
      if (!error.is_damage()) {
        fail<EmbeddingGenerationError>(ErrorCode::io, "{}: {}", path_, error.what());
      }
      incidents_.push_back(fmt::format("{}: damaged ({}); it is set aside as {}, and a new one is begun", path_,
                                       error.what(), set_aside(path_)));
      open_file();
    } catch (const EmbeddingGenerationError& failure) {
      incidents_.push_back(fmt::format("{}; vectors are remembered in memory only from here on", failure.what()));
    }
  } catch (const EmbeddingGenerationError& error) {
    incidents_.push_back(fmt::format("{}: {}", path_, error.what()));
  }
}

std::optional<CachedEmbedding> EmbeddingCache::find(const CacheKey& key) {
  const std::lock_guard lock(mutex_);
  if (const auto place = places_.find(key); place != places_.end()) {
    entries_.splice(entries_.begin(), entries_, place->second);
    return entries_.front().embedding;
  }
  std::optional<CachedEmbedding> found;
  with_file([&](File& file) { found = file.find(key); });
  if (found) store_in_memory({key, *found});
  return found;
}

void EmbeddingCache::store(std::vector<Entry> entries) {
  const std::lock_guard lock(mutex_);
  with_file([&](File& file) { file.store(entries); });
  for (Entry& entry : entries) store_in_memory(std::move(entry));
}

void EmbeddingCache::store_in_memory(Entry entry) {
  const size_t bytes = charge(entry.embedding);
  if (bytes > capacity_bytes_ || places_.contains(entry.key)) return;
  while (memory_bytes_ + bytes > capacity_bytes_) {
    memory_bytes_ -= charge(entries_.back().embedding);
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front(std::move(entry));
  places_.emplace(entries_.front().key, entries_.begin());
  memory_bytes_ += bytes;
}

void EmbeddingCache::clear_memory() {
  const std::lock_guard lock(mutex_);
  places_.clear();
  entries_.clear();
  memory_bytes_ = 0;
}

size_t EmbeddingCache::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  return memory_bytes_;
}

std::vector<std::string> EmbeddingCache::take_incidents() {
  const std::lock_guard lock(mutex_);
  return std::exchange(incidents_, {});
}

}  // namespace bgem3
