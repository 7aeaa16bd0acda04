// pull_model: small files first, so that a model which bgem3 does not run is known before its weights are fetched;
// refs/<revision> last, so that what was complete before stays what the cache calls by that name.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "bgem3/hub.h"
#include "hub/cache.h"
#include "hub/content_hash.h"
#include "hub/download.h"
#include "hub/names.h"
#include "hub/protocol.h"
#include "hub/selection.h"
#include "hub/settings.h"
#include "model/config.h"
#include "model/messages.h"
#include "model/model_files.h"
#include "model/verification.h"

namespace bgem3 {
namespace {

// The repository and revision that the options name.
RepositoryName wanted(const PullOptions& options) {
  const auto named = parse_repository_name(options.model);
  if (!named) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "pull {}: expected org/name or org/name@revision",
                            quote(options.model));
  }
  if (options.latest && !named->revision.empty()) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "pull {}: a revision and the latest one exclude each other",
                            quote(options.model));
  }
  return *named;
}

class Pull {
 public:
  explicit Pull(const PullOptions& options)
      : options_(options),
        named_(wanted(options)),
        settings_(read_settings(read_hub_environment(), read_environment())),
        cache_(cache_or_fail(settings_), named_.repository, settings_.symlinks),
        hub_(settings_, options.stop, options.on_notice),
        hashes_(packed_cache_folder(read_environment())),
        meter_(options.on_progress) {
    result_.repository = named_.repository;
  }

  PullResult run() {
    const bool is_default = named_.revision.empty() && !options_.latest;
    const std::string asked = !named_.revision.empty() ? named_.revision
                              : options_.latest        ? "main"
                                                       : pinned_revision(named_.repository);
    if (is_full_commit(asked) && is_complete(asked)) {
      if (is_default && !settings_.offline && !cache_.has_reference("main")) {
        try {
          if (hub_.revision(named_.repository, "main").commit == asked) cache_.write_reference("main", asked);
        } catch (const ModelLoadingError&) {  // bgem3 finds the pinned commit without it
        }
      }
      hashes_.remember();
      return std::move(result_);
    }
    hub_.check_online(options_.model);
    // main is asked first, because it most likely is the pinned commit.
    const bool pinned = is_default && is_full_commit(asked);
    const HubRevision main = pinned ? hub_.revision(named_.repository, "main") : HubRevision();
    const bool main_is_pinned = pinned && main.commit == asked;
    const HubRevision revision = main_is_pinned ? main : hub_.revision(named_.repository, asked);
    if (is_full_commit(asked) && revision.commit != asked) {
      fail<ModelLoadingError>(ErrorCode::corrupt,
                              "{}: asked for revision {}, the hub answers with {}; check HF_ENDPOINT",
                              settings_.endpoint, asked, revision.commit);
    }
    if (pinned && !main_is_pinned) {
      hub_.notice(
          fmt::format("{}: taking {}, the revision that bgem3 is tested with; main is {} now, and --latest pulls it",
                      named_.repository, asked, main.commit));
    }
    fetch_all(revision);
    if (main_is_pinned) cache_.write_reference("main", asked);
    if (asked != revision.commit) cache_.write_reference(asked, revision.commit);
    hashes_.remember();
    return std::move(result_);
  }

 private:
  static std::string cache_or_fail(const HubSettings& settings) {
    if (settings.cache.empty()) {
      fail<InvalidInputError>(ErrorCode::invalid_input,
                              "pull: no place for the Hugging Face cache: none of HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, "
                              "HF_HOME, XDG_CACHE_HOME and HOME is set");
    }
    return settings.cache;
  }

  std::string published(const std::string& commit, const std::string& name) const {
    return named_.repository == "BAAI/bge-m3" ? std::string(published_sha256(commit, name)) : "";
  }

  // True if a commit needs nothing from the network; then the result is filled.
  bool is_complete(const std::string& commit) {
    ModelFiles files;
    try {
      files = find_model_in_folder(cache_.snapshot(commit));
      for (const ModelFile& file : files.files) {
        const std::string etag = cache_.etag_of(commit, file.name);
        if (!is_intact(file.path, etag, published(commit, file.name), file.size_bytes, hashes_)) return false;
      }
    } catch (const EmbeddingGenerationError&) {  // something is missing, or cannot be read
      return false;
    }
    const bool listed = !published(commit, "config.json").empty();
    const auto may_exist = [&](const char* name) {
      if (files.has(name) || cache_.is_marked_absent(commit, name)) return false;
      return listed ? !published(commit, name).empty() : !settings_.offline;
    };
    for (const char* name : kTextFiles) {
      if (may_exist(name)) return false;
    }
    for (const char* head : {kSparseHeadFile, kMultiHeadFile}) {
      if (may_exist(head)) return false;
    }
    result_.revision = commit;
    result_.folder = cache_.snapshot(commit);
    for (const ModelFile& file : files.files) {
      result_.files.push_back({.name = file.name, .size_bytes = file.size_bytes});
      meter_.expect(file.size_bytes);
      meter_.found(file.size_bytes);
    }
    return true;
  }

  void fetch_all(const HubRevision& revision) {
    const std::string& commit = revision.commit;
    result_.revision = commit;
    result_.folder = cache_.snapshot(commit);
    cache_.prepare();
    const auto path = [&](const std::string& name) { return cache_.snapshot_path(commit, name); };
    const Selection selection = select_files(named_.repository, revision, [&](const std::string& name) {
      fetch({describe(commit, name)});
      return read_file(path(name), kLongestTextFile);
    });
    for (const std::string& name : selection.absent) cache_.mark_absent(commit, name);
    std::vector<HubFile> files;
    for (const std::string& name : selection.configuration) {
      if (!is_fetched(name)) files.push_back(describe(commit, name));
    }
    fetch(files);
    const TextSource source = [&](const std::string& name) -> std::optional<std::string> {
      if (!revision.has(name)) return std::nullopt;
      return read_file(path(name), kLongestTextFile);
    };
    read_config(source, named_.repository + ": ");

    files.clear();
    for (const std::string& name : selection.content) files.push_back(describe(commit, name));
    fetch(files);
    find_model_in_folder(result_.folder);  // the pull and the search for a model choose alike
  }

  bool is_fetched(const std::string& name) const {
    return std::any_of(result_.files.begin(), result_.files.end(),
                       [&](const PulledFile& file) { return file.name == name; });
  }

  HubFile describe(const std::string& commit, const std::string& name) {
    cache_.snapshot_path(commit, name);  // refuses a name that leaves the snapshot
    return hub_.metadata(named_.repository, commit, name);
  }

  bool intact(const std::string& path, const HubFile& file) {
    return is_intact(path, file.etag, published(result_.revision, file.name), file.size_bytes, hashes_);
  }

  void fetch(const std::vector<HubFile>& files) {
    std::vector<bool> there;
    uint64_t missing_bytes = 0;
    for (const HubFile& file : files) {
      meter_.expect(file.size_bytes);
      there.push_back(intact(cache_.snapshot_path(result_.revision, file.name), file));
      if (!there.back() && !is_file(cache_.blob_path(file.etag))) {
        missing_bytes += file.size_bytes - partial_bytes(cache_, file);
      }
    }
    if (const uint64_t free_bytes = cache_.free_bytes(); missing_bytes > free_bytes) {
      fail<ModelLoadingError>(ErrorCode::io,
                              "{}: the disk has {} bytes left, {} needs {} more; make room, or name another disk with "
                              "HF_HUB_CACHE",
                              settings_.cache, free_bytes, named_.repository, missing_bytes);
    }
    for (size_t i = 0; i < files.size(); i++) {
      const HubFile& file = files[i];
      PulledFile pulled{.name = file.name, .size_bytes = file.size_bytes};
      if (there[i]) {
        meter_.found(file.size_bytes);
      } else {
        const Target target{named_.repository, result_.revision, file, published(result_.revision, file.name)};
        pulled.bytes_transferred = download(hub_, cache_, target, options_.stop, meter_,
                                            [&](const std::string& blob) { return intact(blob, file); });
        if (!is_sha256(file.etag) && !is_git_sha1(file.etag) && target.published.empty()) {
          hub_.notice(fmt::format("{}: the server gives no hash of it, so only its size was checked", file.name));
        }
      }
      result_.files.push_back(std::move(pulled));
    }
  }

  const PullOptions& options_;
  const RepositoryName named_;
  const HubSettings settings_;
  RepositoryCache cache_;
  HubClient hub_;
  FileHashes hashes_;
  Meter meter_;
  PullResult result_;
};

}  // namespace

PullResult pull_model(const PullOptions& options) { return Pull(options).run(); }

bool is_missing_from_cache(const std::string& model) {
  if (is_folder(model) || !parse_repository_name(model)) return false;
  try {
    find_model(model);
  } catch (const ModelLoadingError& error) {
    return error.code() == ErrorCode::not_found;
  }
  return false;
}

}  // namespace bgem3
