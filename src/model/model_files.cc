// A name is a folder on disk or a repository of the Hugging Face cache, whose layout is
//   <cache>/models--<org>--<name>/refs/<revision>          text: a commit
//   <cache>/models--<org>--<name>/snapshots/<commit>/...   the files, usually symbolic links into ../../blobs
// Both end in one folder, and the rest is common: list what is there, choose the weights, and say what is missing.
#include "model/model_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "model/messages.h"
#include "model/modules.h"
#include "model/safetensors.h"
#include "model/verification.h"

namespace bgem3 {
namespace {

namespace fs = std::filesystem;

std::string join_path(const std::string& folder, std::string_view name) {
  return folder.ends_with('/') ? fmt::format("{}{}", folder, name) : fmt::format("{}/{}", folder, name);
}

// Lists a file if it is there. A folder, a pipe or a loop of links in its place is an error, not "missing".
bool add_file(ModelFiles& files, const std::string& name) {
  const std::string path = files.path(name);
  std::error_code error;
  if (fs::status(path, error).type() == fs::file_type::not_found) return false;
  const MappedFile file(path);
  files.files.push_back({.name = name, .path = path, .size_bytes = file.bytes().size(), .sha256 = {}, .verified = {}});
  return true;
}

// Lists the weight files and what of them is missing.
void add_weights(ModelFiles& files, std::vector<std::string>& missing) {
  if (add_file(files, kSafetensorsFile)) {
    files.weights = {kSafetensorsFile};
  } else if (add_file(files, kSafetensorsIndexFile)) {
    files.weights_index = kSafetensorsIndexFile;
    const std::string path = files.path(kSafetensorsIndexFile);
    std::set<std::string> shards;
    for (const auto& [tensor, shard] : parse_safetensors_index(read_file(path, kLongestTextFile), path))
      shards.insert(shard);
    files.weights.assign(shards.begin(), shards.end());
    for (const std::string& shard : files.weights) {
      if (!add_file(files, shard)) missing.push_back(shard);
    }
  } else if (add_file(files, kPytorchFile)) {
    files.weights = {kPytorchFile};
  } else if (is_file(files.path(kPytorchIndexFile))) {
    fail<ModelLoadingError>(ErrorCode::unsupported,
                            "{}: weights of torch in several files are not supported; save the model as safetensors",
                            files.path(kPytorchIndexFile));
  } else {
    missing.push_back(fmt::format("the weights ({}, {} or {})", kSafetensorsFile, kSafetensorsIndexFile, kPytorchFile));
  }
}

ModelFiles list_files(std::string name, std::string folder, std::string revision) {
  ModelFiles files{.name = std::move(name),
                   .folder = std::move(folder),
                   .revision = std::move(revision),
                   .files = {},
                   .weights = {},
                   .weights_index = {}};
  std::vector<std::string> missing;
  for (const char* text : kTextFiles) add_file(files, text);
  for (const char* head : {kSparseHeadFile, kMultiHeadFile}) add_file(files, head);
  if (files.has(kModulesFile)) {
    const std::string path = files.path(kModulesFile);
    const std::string pooling =
        fmt::format("{}/config.json", parse_modules(read_file(path, kLongestTextFile), path).pooling_folder);
    if (!add_file(files, pooling)) missing.push_back(pooling);
  }
  for (const char* needed : {"config.json", "tokenizer.json"}) {
    if (!files.has(needed)) missing.push_back(needed);
  }
  add_weights(files, missing);
  if (!missing.empty()) {
    fail<ModelLoadingError>(
        ErrorCode::not_found, "model {}: missing {}; looked in {}; {}", quote(files.name), fmt::join(missing, ", "),
        files.folder,
        files.revision.empty()
            ? "give a folder with all files of the model"
            : fmt::format("complete the download with \"bgem3 pull {}\" or \"hf download\"", files.name));
  }
  return files;
}

// What the hub allows in a name: letters, digits, '-', '_', '.', one '/' between organisation and name, neither "--"
// nor "..".
bool is_repository(std::string_view name) {
  const size_t slash = name.find('/');
  const auto is_part = [](std::string_view part) {
    return !part.empty() && part.size() <= 96 && part.find("--") == std::string_view::npos &&
           part.find("..") == std::string_view::npos && part.front() != '.' && part.front() != '-' &&
           part.back() != '.' && part.back() != '-' &&
           std::all_of(part.begin(), part.end(), [](unsigned char character) {
             return std::isalnum(character) || character == '-' || character == '_' || character == '.';
           });
  };
  if (slash == std::string_view::npos) return is_part(name);
  return is_part(name.substr(0, slash)) && is_part(name.substr(slash + 1));
}

// A branch or tag may hold '/' ("refs/pr/130"), but must stay below the folder refs.
bool is_revision(std::string_view revision) {
  return !revision.empty() && !revision.starts_with('/') && revision.find("..") == std::string_view::npos &&
         std::all_of(revision.begin(), revision.end(),
                     [](unsigned char character) { return character > 0x20 && character != 0x7F; });
}

bool is_commit(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](unsigned char character) { return std::isxdigit(character); });
}

ModelFiles find_in_cache(const std::string& name, const std::string& repository, const std::string& asked,
                         const CacheEnvironment& environment) {
  const std::string cache = cache_folder(environment);
  if (cache.empty()) {
    fail<ModelLoadingError>(ErrorCode::not_found,
                            "model {}: no such folder, and no Hugging Face cache to look in: none of HF_HUB_CACHE, "
                            "HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HOME is set",
                            quote(name));
  }
  const std::string folder = join_path(cache, repository_folder_name(repository));
  if (!is_folder(folder)) {
    fail<ModelLoadingError>(
        ErrorCode::not_found,
        "model {}: found neither the folder {} nor {} in the Hugging Face cache; download it with \"bgem3 pull {}\" or "
        "\"hf download {}\", or give the folder that holds its files",
        quote(name), name, folder, name, repository);
  }
  // As huggingface_hub: a name in refs leads to a commit, anything else must be a commit itself.
  const std::string revision = asked.empty() ? "main" : asked;
  std::string commit = revision;
  const std::string reference = fmt::format("{}/refs/{}", folder, revision);
  if (is_file(reference)) {
    constexpr size_t kLongestReference = 1024;
    commit = read_file(reference, kLongestReference);
    commit.erase(commit.find_last_not_of(" \r\n") + 1);
    if (!is_commit(commit)) {
      fail<ModelLoadingError>(ErrorCode::corrupt,
                              "{}: expected a commit in hexadecimal, found {}; download the model again", reference,
                              quote(commit));
    }
  } else if (asked.empty()) {
    commit = pinned_revision(repository);
  }
  const std::string snapshot = fmt::format("{}/snapshots/{}", folder, commit);
  if (!is_commit(commit) || !is_folder(snapshot)) {
    fail<ModelLoadingError>(
        ErrorCode::not_found,
        "model {}: revision {} is not in the Hugging Face cache: found neither {} nor the folder {}; download it with "
        "\"bgem3 pull {}\" or \"hf download {} --revision {}\"",
        quote(name), quote(revision), reference, snapshot, name, repository, revision);
  }
  return list_files(name, snapshot, commit);
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

CacheEnvironment read_environment() {
  return {.hf_hub_cache = variable("HF_HUB_CACHE"),
          .huggingface_hub_cache = variable("HUGGINGFACE_HUB_CACHE"),
          .hf_home = variable("HF_HOME"),
          .xdg_cache_home = variable("XDG_CACHE_HOME"),
          .home = variable("HOME"),
          .bgem3_cache_dir = variable("BGEM3_CACHE_DIR")};
}

HubEnvironment read_hub_environment() {
  return {.hf_endpoint = variable("HF_ENDPOINT"),
          .hf_token = variable("HF_TOKEN"),
          .hugging_face_hub_token = variable("HUGGING_FACE_HUB_TOKEN"),
          .hf_token_path = variable("HF_TOKEN_PATH"),
          .hf_hub_disable_implicit_token = variable("HF_HUB_DISABLE_IMPLICIT_TOKEN"),
          .hf_hub_offline = variable("HF_HUB_OFFLINE"),
          .transformers_offline = variable("TRANSFORMERS_OFFLINE"),
          .hf_hub_etag_timeout = variable("HF_HUB_ETAG_TIMEOUT"),
          .hf_hub_download_timeout = variable("HF_HUB_DOWNLOAD_TIMEOUT"),
          .hf_hub_disable_symlinks = variable("HF_HUB_DISABLE_SYMLINKS"),
          .ssl_cert_file = variable("SSL_CERT_FILE")};
}

std::string expand_home(const std::string& path, const CacheEnvironment& environment) {
  if (path == "~" || path.starts_with("~/")) return environment.home + path.substr(1);
  return path;
}

std::string hugging_face_home(const CacheEnvironment& environment) {
  const CacheEnvironment& e = environment;
  if (!e.hf_home.empty()) return expand_home(e.hf_home, e);
  if (!e.xdg_cache_home.empty()) return expand_home(e.xdg_cache_home, e) + "/huggingface";
  if (!e.home.empty()) return e.home + "/.cache/huggingface";
  return {};
}

std::string cache_folder(const CacheEnvironment& environment) {
  const CacheEnvironment& e = environment;
  if (!e.hf_hub_cache.empty()) return expand_home(e.hf_hub_cache, e);
  if (!e.huggingface_hub_cache.empty()) return expand_home(e.huggingface_hub_cache, e);
  const std::string home = hugging_face_home(e);
  return home.empty() ? home : home + "/hub";
}

std::string packed_cache_folder(const CacheEnvironment& environment) {
  const CacheEnvironment& e = environment;
  if (!e.bgem3_cache_dir.empty()) return expand_home(e.bgem3_cache_dir, e);
  if (!e.xdg_cache_home.empty()) return expand_home(e.xdg_cache_home, e) + "/bgem3";
  if (!e.home.empty()) return e.home + "/.cache/bgem3";
  return {};
}

std::optional<RepositoryName> parse_repository_name(const std::string& name) {
  const size_t at = name.find('@');
  RepositoryName named = {name.substr(0, at), at == std::string::npos ? "" : name.substr(at + 1)};
  if (!is_repository(named.repository)) return std::nullopt;
  if (at != std::string::npos && !is_revision(named.revision)) return std::nullopt;
  return named;
}

bool is_full_commit(std::string_view revision) {
  return revision.size() == 40 && revision.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string repository_folder_name(const std::string& repository) {
  std::string name = "models--" + repository;
  if (const size_t slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  return name;
}

bool ModelFiles::has(std::string_view file_name) const {
  return std::any_of(files.begin(), files.end(), [&](const ModelFile& file) { return file.name == file_name; });
}

std::string ModelFiles::path(std::string_view file_name) const { return join_path(folder, file_name); }

ModelFiles find_model_in_folder(const std::string& folder) { return list_files(folder, folder, {}); }

ModelFiles find_model(const std::string& name, const CacheEnvironment& environment) {
  if (name.find('\0') != std::string::npos) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "model {}: a name cannot hold a zero byte", quote(name));
  }
  if (is_folder(name)) return find_model_in_folder(name);
  if (const auto named = parse_repository_name(name)) {
    if (is_file(name)) {
      fail<InvalidInputError>(ErrorCode::invalid_input,
                              "model {}: expected a folder, found a file; give the folder it is in", quote(name));
    }
    return find_in_cache(name, named->repository, named->revision, environment);
  }
  if (is_file(name)) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "model {}: expected a folder, found a file; give the folder it is in", quote(name));
  }
  if (name.starts_with('/') || name.starts_with('.') || name.starts_with('~')) {
    fail<ModelLoadingError>(ErrorCode::not_found, "model {}: no such folder", quote(name));
  }
  fail<InvalidInputError>(ErrorCode::invalid_input,
                          "model {}: neither a folder that is there nor a name as org/name or org/name@revision",
                          quote(name));
}

}  // namespace bgem3
