#include "embedder/cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "encoder/packed_model.h"
#include "kernels/precision.h"
#include "model/model_files.h"
#include "model/packed_file.h"

namespace bgem3 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNamedDigits = 32;
constexpr std::string_view kPackedEnding = ".packed";
constexpr std::string_view kPartEnding = ".part";
constexpr const char* kHashesFile = "digests";

struct PackedName {
  std::string digest, dtype;
  int layout;
};

std::optional<PackedName> parse_packed_name(std::string_view name) {
  if (!name.ends_with(kPackedEnding)) return std::nullopt;
  name.remove_suffix(kPackedEnding.size());
  const size_t first = name.find('-'), second = name.rfind('-');
  if (first != kNamedDigits || second == first) return std::nullopt;
  PackedName parsed = {.digest = std::string(name.substr(0, first)),
                       .dtype = std::string(name.substr(first + 1, second - first - 1)),
                       .layout = 0};
  if (parsed.digest.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  constexpr std::array kDtypes = {Precision::f32, Precision::bf16, Precision::int8};
  if (std::none_of(kDtypes.begin(), kDtypes.end(), [&](Precision dtype) { return parsed.dtype == to_string(dtype); })) {
    return std::nullopt;
  }
  const std::string_view layout = name.substr(second + 1);
  const auto [end, error] = std::from_chars(layout.data(), layout.data() + layout.size(), parsed.layout);
  if (error != std::errc() || end != layout.data() + layout.size() || parsed.layout < 1) return std::nullopt;
  return parsed;
}

// Looks into packed weights of this version's layout.
void inspect_packed_file(CacheEntry& entry, bool every_byte) {
  try {
    const std::string key = read_packed_key(entry.path);
    const std::string digest = key.substr(0, key.find(' '));
    if (key != packed_file_key(digest, entry.dtype) || !digest.starts_with(entry.digest)) {
      fail<ModelLoadingError>(ErrorCode::corrupt, "{}: not made for what its name says", entry.path);
    }
    const Sections sections = open_packed_file(entry.path, key);
    if (every_byte) verify_sections(sections);
    if (const Section* model = sections.find(kModelNameSection)) {
      entry.model.assign(reinterpret_cast<const char*>(model->bytes.data()), model->bytes.size());
    }
    entry.state = CacheState::current;
  } catch (const ModelLoadingError& error) {
    entry.state = CacheState::damaged;
    entry.note = error.what();
  }
}

// Removes a file as its state allows. False if it is no longer there, or a process has begun to write it.
bool remove(const CacheEntry& entry) {
  if (entry.state == CacheState::partial) {
    return remove_unfinished(entry.path.substr(0, entry.path.size() - kPartEnding.size()));
  }
  std::error_code error;
  const bool removed = fs::remove(entry.path, error);
  if (error) fail<ModelLoadingError>(ErrorCode::io, "{}: cannot delete: {}", entry.path, error.message());
  return removed;
}

}  // namespace

const char* to_string(CacheState state) {
  switch (state) {
    case CacheState::current:
      return "current";
    case CacheState::old:
      return "old";
    case CacheState::newer:
      return "newer";
    case CacheState::damaged:
      return "damaged";
    case CacheState::partial:
      return "partial";
    case CacheState::writing:
      return "writing";
    case CacheState::foreign:
      return "foreign";
  }
  return "foreign";
}

std::string cache_folder_for(const std::string& cache_dir) {
  return cache_dir.empty() ? packed_cache_folder(read_environment()) : cache_dir;
}

std::string packed_file_name(std::string_view digest, std::string_view dtype) {
  return fmt::format("{}-{}-{}{}", digest.substr(0, kNamedDigits), dtype, kPackedLayout, kPackedEnding);
}

std::string packed_file_key(std::string_view digest, std::string_view dtype) {
  return fmt::format("{} {} {}", digest, dtype, kPackedLayout);
}

CacheEntry inspect_cache_file(const std::string& path, bool every_byte) {
  CacheEntry entry;
  entry.path = path;
  entry.name = fs::path(path).filename();
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return entry;
  entry.size_bytes = static_cast<size_t>(status.st_size);
  entry.used_s = std::max<int64_t>(status.st_atim.tv_sec, status.st_mtim.tv_sec);
  if (!S_ISREG(status.st_mode)) return entry;

  std::string_view whole = entry.name;
  const bool part = whole.ends_with(kPartEnding);
  if (part) whole.remove_suffix(kPartEnding.size());
  const auto packed = parse_packed_name(whole);
  if (packed) {
    entry.content = "packed weights";
    entry.digest = packed->digest;
    entry.dtype = packed->dtype;
    entry.layout = packed->layout;
  } else if (whole == kHashesFile) {
    entry.content = "hashes";
  } else {
    return entry;
  }
  if (part) {
    const bool written = is_being_written(path.substr(0, path.size() - kPartEnding.size()));
    entry.state = written ? CacheState::writing : CacheState::partial;
  } else if (!packed) {
    entry.state = CacheState::current;
  } else if (packed->layout != kPackedLayout) {
    entry.state = packed->layout < kPackedLayout ? CacheState::old : CacheState::newer;
  } else {
    inspect_packed_file(entry, every_byte);
  }
  return entry;
}

CacheListing list_cache(const CacheOptions& options) {
  CacheListing listing = {.folder = cache_folder_for(options.cache_dir), .entries = {}};
  if (listing.folder.empty() || !is_folder(listing.folder)) return listing;
  std::error_code error;
  for (fs::directory_iterator at(listing.folder, error), end; !error && at != end; at.increment(error)) {
    listing.entries.push_back(inspect_cache_file(at->path(), options.every_byte));
  }
  if (error) fail<ModelLoadingError>(ErrorCode::io, "{}: cannot read the folder: {}", listing.folder, error.message());
  std::sort(listing.entries.begin(), listing.entries.end(),
            [](const CacheEntry& a, const CacheEntry& b) { return a.name < b.name; });
  return listing;
}

CleanReport clean_cache(const CleanOptions& options) {
  CacheListing listing = list_cache(options.cache);
  CleanReport report;
  report.folder = std::move(listing.folder);
  for (CacheEntry& entry : listing.entries) {
    const CacheState state = entry.state;
    bool goes = state == CacheState::old || state == CacheState::damaged || state == CacheState::partial ||
                (options.all && (state == CacheState::current || state == CacheState::newer));
    if (goes && !options.dry_run) {
      try {
        goes = remove(entry);
      } catch (const ModelLoadingError& error) {
        report.failures.push_back(error.what());
        goes = false;
      }
    }
    if (goes) report.freed_bytes += entry.size_bytes;
    (goes ? report.deleted : report.kept).push_back(std::move(entry));
  }
  return report;
}

}  // namespace bgem3
