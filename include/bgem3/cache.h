// What bgem3 keeps in its own cache folder: packed weights, remembered hashes. Start at list_cache and clean_cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bgem3/error.h"

#pragma GCC visibility push(default)
namespace bgem3 {

// What a file in the cache folder is.
enum class CacheState {
  current,  // in use by this version of bgem3
  old,      // packed weights of an older layout, which this version does not read
  newer,    // packed weights of a newer version of bgem3
  damaged,  // packed weights that no start would use
  partial,  // left behind by a process that ended while it wrote
  writing,  // a process writes it now
  foreign,  // nothing that bgem3 puts there; never deleted
};

// "current", "old", "newer", "damaged", "partial", "writing", "foreign"; never null.
const char* to_string(CacheState state);

struct CacheEntry {
  std::string name;  // in the folder
  std::string path;
  CacheState state = CacheState::foreign;
  std::string content;  // "packed weights", "hashes"; empty for foreign
  std::string model;    // packed weights: the name or folder of the model that was packed first; may be empty
  std::string digest;   // packed weights: the first 32 digits of the model's digest (ModelInfo::digest)
  std::string dtype;    // packed weights: "f32", "bf16" or "int8"
  int layout = 0;       // packed weights: version of their layout
  size_t size_bytes = 0;
  int64_t used_s = 0;  // when it was last read or written, in seconds since 1970, as exactly as the file system keeps
                       // it (usually to a day)
  std::string note;    // why it is damaged
};

struct CacheListing {
  std::string folder;               // empty: there is none, no environment variable names it
  std::vector<CacheEntry> entries;  // by name; empty if the folder is not there
};

struct CacheOptions {
  std::string cache_dir = "";  // as OpenOptions::cache_dir
  bool every_byte = false;     // compare the checksums of all packed weights: reads them
};

// Lists the cache. Throws ModelLoadingError (io) if the folder cannot be read.
// Cost: opens each file; with every_byte about a second a gigabyte.
CacheListing list_cache(const CacheOptions& options = {});

struct CleanOptions {
  CacheOptions cache = {};
  bool all = false;      // also what is current or newer: the next start packs anew
  bool dry_run = false;  // delete nothing
};

struct CleanReport {
  std::string folder;
  std::vector<CacheEntry> deleted;  // or would be, with dry_run
  std::vector<CacheEntry> kept;
  std::vector<std::string> failures;  // one line for each file that could not be deleted
  size_t freed_bytes = 0;
};

// Deletes what is old, damaged or partial. Programs that have mapped a deleted file keep it until they end; a file that
// is being written is kept. Throws as list_cache.
CleanReport clean_cache(const CleanOptions& options = {});

}  // namespace bgem3
#pragma GCC visibility pop
