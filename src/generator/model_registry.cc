#include "generator/model_registry.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>

#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "generator/config.h"
#include "kernels/precision.h"
#include "model/model_digest.h"
#include "model/model_files.h"

namespace bgem3 {
namespace {

constexpr size_t kShownDigits = 12;  // of a commit

std::string version_of(const ModelInfo& info) {
  std::string version = info.name.substr(0, info.revision.empty() ? std::string::npos : info.name.find('@'));
  if (!info.revision.empty()) version += "@" + info.revision.substr(0, kShownDigits);
  return fmt::format("{} {}{}", version, public_dtype(info.dtype),
                     info.verification == "unverified" ? " unverified" : "");
}

// Where no cache folder keeps it, it is made anew.
std::string digest_of(const ModelInfo& info) {
  FileHashes hashes("");
  return info.digest.empty() ? model_digest(find_model_in_folder(info.folder), hashes) : info.digest;
}

// A model that is loaded, or being loaded.
struct Place {
  std::mutex loading;
  std::weak_ptr<const LoadedModel> model;
};

// The ceiling is planned for the whole process when a model is loaded, so it is a part of what is shared. A forked
// process shares nothing with its parent: the threads of a model stay there.
std::string key_of(const OpenOptions& options) {
  const ModelFiles files = find_model(options.model);
  const int cores = core_budget().cores;
  std::string key =
      fmt::format("{} {} {} {} {} {}", getpid(), std::filesystem::weakly_canonical(files.folder).string(), files.name,
                  to_string(parse_precision(options.dtype)),
                  options.threads == 0 ? cores : std::min(options.threads, cores), options.max_memory_bytes);
  for (const ModelFile& file : files.files) {
    const FileIdentity identity = OpenFile(file.path).identity();
    key += fmt::format(" {} {} {} {}", identity.device, identity.inode, identity.size_bytes, identity.changed_ns);
  }
  return key;
}

std::shared_ptr<Place> place_of(const std::string& key) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<Place>> places;
  const std::lock_guard lock(mutex);
  std::erase_if(places,
                [](const auto& entry) { return entry.second.use_count() == 1 && entry.second->model.expired(); });
  std::shared_ptr<Place>& place = places[key];
  if (!place) place = std::make_shared<Place>();
  return place;
}

}  // namespace

std::shared_ptr<const LoadedModel> load_model(const OpenOptions& options) {
  Embedder embedder = Embedder::open(options);
  const ModelInfo& info = embedder.info();
  std::string version = version_of(info);
  std::string digest = fmt::format("{} {}", digest_of(info), info.dtype);
  return std::make_shared<const LoadedModel>(LoadedModel{std::move(embedder), std::move(version), std::move(digest)});
}

std::shared_ptr<const LoadedModel> share_model(const OpenOptions& options) {
  const std::shared_ptr<Place> place = place_of(key_of(options));
  const std::lock_guard lock(place->loading);
  std::shared_ptr<const LoadedModel> model = place->model.lock();
  if (!model) place->model = model = load_model(options);
  return model;
}

}  // namespace bgem3
