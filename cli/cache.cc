// bgem3 cache: what bgem3 keeps in its own folder, and how to free it.
#include "bgem3/cache.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <iterator>
#include <vector>

#include "commands.h"
#include "failure.h"
#include "json_writer.h"
#include "output.h"
#include "progress.h"
#include "unicode.h"

namespace bgem3::cli {

namespace {

std::string time_text(int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

void append_json(JsonWriter& json, const std::vector<CacheEntry>& entries) {
  json.begin_array();
  for (const CacheEntry& entry : entries) {
    json.begin_object().key("name").value(entry.name).key("path").value(entry.path);
    json.key("state").value(to_string(entry.state)).key("content").value(entry.content);
    json.key("model").value(entry.model).key("digest").value(entry.digest).key("dtype").value(entry.dtype);
    json.key("layout").value(entry.layout).key("size_bytes").value(entry.size_bytes);
    json.key("used_s").value(entry.used_s).key("note").value(entry.note).end_object();
  }
  json.end_array();
}

std::string entries_text(const std::vector<CacheEntry>& entries) {
  std::string out;
  const auto at = std::back_inserter(out);
  for (const CacheEntry& entry : entries) {
    fmt::format_to(at, "{:<8} {:>15}  {:<17} {:<5} {}\n", to_string(entry.state), format_count(entry.size_bytes),
                   time_text(entry.used_s), entry.dtype, printable(entry.name));
    if (!entry.model.empty()) fmt::format_to(at, "{:>49}of {}\n", "", printable(entry.model));
    if (!entry.note.empty()) fmt::format_to(at, "{:>49}{}\n", "", printable(entry.note));
  }
  return out;
}

std::string folder_text(const std::string& folder) {
  return folder.empty() ? "no cache folder: none of BGEM3_CACHE_DIR, XDG_CACHE_HOME and HOME is set\n"
                        : fmt::format("folder {}\n", printable(folder));
}

std::string to_text(const CacheListing& listing) {
  size_t bytes = 0;
  for (const CacheEntry& entry : listing.entries) bytes += entry.size_bytes;
  std::string out = folder_text(listing.folder);
  if (!listing.entries.empty()) {
    out += fmt::format("{:<8} {:>15}  {:<17} {:<5} {}\n", "state", "bytes", "last used (UTC)", "dtype", "name");
  }
  return out + entries_text(listing.entries) +
         fmt::format("{}, {} bytes\n", plural(listing.entries.size(), "file"), format_count(bytes));
}

std::string to_text(const CleanReport& report, bool dry_run) {
  return folder_text(report.folder) + entries_text(report.deleted) +
         fmt::format("{} {}, {} bytes; kept {}\n", dry_run ? "would delete" : "deleted",
                     plural(report.deleted.size(), "file"), format_count(report.freed_bytes),
                     plural(report.kept.size(), "file"));
}

void print(const std::string& text) {
  OutputFile out = OutputFile::standard();
  out.write(text);
  out.finish();
}

}  // namespace

int run_cache_list(const CacheListArguments& arguments) {
  const CacheListing listing = list_cache(arguments.cache);
  if (!arguments.json) {
    print(to_text(listing));
    return kExitOk;
  }
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("folder").value(listing.folder).key("files");
  append_json(json, listing.entries);
  json.end_object();
  print(out + "\n");
  return kExitOk;
}

int run_cache_clean(const CacheCleanArguments& arguments) {
  const CleanReport report = clean_cache(arguments.clean);
  if (arguments.json) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("folder").value(report.folder).key("dry_run").value(arguments.clean.dry_run);
    json.key("freed_bytes").value(report.freed_bytes).key("deleted");
    append_json(json, report.deleted);
    json.key("kept");
    append_json(json, report.kept);
    json.key("failures").begin_array();
    for (const std::string& failure : report.failures) json.value(failure);
    json.end_array().end_object();
    print(out + "\n");
  } else {
    print(to_text(report, arguments.clean.dry_run));
  }
  Progress progress(false, false);
  for (const std::string& failure : report.failures) progress.message(failure);
  return report.failures.empty() ? kExitOk : kExitFailure;
}

}  // namespace bgem3::cli
