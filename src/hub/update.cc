// check_for_update: what the hub has beside what the cache has. Nothing is written.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "bgem3/hub.h"
#include "hub/cache.h"
#include "hub/content_hash.h"
#include "hub/protocol.h"
#include "hub/selection.h"
#include "hub/settings.h"
#include "model/config.h"
#include "model/messages.h"

namespace bgem3 {
namespace {

ModelFiles find_installed(const std::string& repository) {
  try {
    return find_model(repository);
  } catch (const ModelLoadingError& error) {
    if (error.code() != ErrorCode::not_found) throw;
    return {};
  }
}

}  // namespace

const char* to_string(UpdateStatus status) {
  switch (status) {
    case UpdateStatus::up_to_date:
      return "up to date";
    case UpdateStatus::update_available:
      return "update available";
    case UpdateStatus::not_installed:
      return "not installed";
  }
  return "not installed";
}

UpdateCheck check_for_update(const std::string& repository, std::stop_token stop) {
  const auto named = parse_repository_name(repository);
  if (!named || !named->revision.empty()) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "check {}: expected org/name, without a revision",
                            quote(repository));
  }
  const CacheEnvironment environment = read_environment();
  HubClient hub(read_settings(read_hub_environment(), environment), stop, {});
  hub.check_online(repository);
  const ModelFiles installed = find_installed(repository);
  const RepositoryCache cache(hub.settings().cache, repository, hub.settings().symlinks);

  const HubRevision latest = hub.revision(repository, "main");
  UpdateCheck check;
  check.repository = repository;
  check.installed = installed.revision;
  check.latest = latest.commit;
  check.status = installed.revision.empty()            ? UpdateStatus::not_installed
                 : installed.revision == latest.commit ? UpdateStatus::up_to_date
                                                       : UpdateStatus::update_available;
  if (check.status == UpdateStatus::up_to_date) return check;

  std::map<std::string, std::string> texts;  // of the latest revision
  const auto text = [&](const std::string& name) {
    const auto [place, is_new] = texts.try_emplace(name);
    if (is_new) place->second = hub.content(repository, latest.commit, name, kLongestTextFile);
    return place->second;
  };
  Selection selection;
  try {
    selection = select_files(repository, latest, text);
    read_config([&](const std::string& name) { return latest.has(name) ? std::optional(text(name)) : std::nullopt; },
                repository + ": ");
  } catch (const ModelLoadingError& error) {
    // What the hub itself cannot give is no fact about the model.
    if (error.code() == ErrorCode::io || error.code() == ErrorCode::overloaded) throw;
    check.compatible = false;
    check.incompatibility = error.what();
  }

  std::map<std::string, HubFile> files;
  for (const HubFile& file : hub.tree(repository, latest.commit)) files.emplace(file.name, file);
  FileHashes hashes(packed_cache_folder(environment));
  std::set<std::string> names(selection.configuration.begin(), selection.configuration.end());
  names.insert(selection.content.begin(), selection.content.end());
  for (const std::string& name : names) {
    const auto found = files.find(name);
    if (found == files.end()) continue;  // a listing that contradicts the revision: then this file is not compared
    const HubFile& file = found->second;
    const bool there = installed.has(name);
    const std::string etag = there ? cache.etag_of(installed.revision, name) : "";
    const bool same = there && (etag.empty() ? is_intact(installed.path(name), file.etag, "", file.size_bytes, hashes)
                                             : etag == file.etag);
    if (same) continue;
    check.changes.push_back({name, part_of(name), there ? "changed" : "added"});
    if (!is_file(cache.blob_path(file.etag))) check.download_bytes += file.size_bytes;
  }
  for (const ModelFile& file : installed.files) {
    if (check.compatible && !names.contains(file.name))
      check.changes.push_back({file.name, part_of(file.name), "removed"});
  }
  return check;
}

}  // namespace bgem3
