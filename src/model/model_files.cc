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

namespace bgem3 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestText = 4 << 20;  // of modules.json and of an index: far above any real one

constexpr const char* kTextFiles[] = {"config.json",
                                      "tokenizer.json",
                                      "tokenizer_config.json",
                                      "modules.json",
                                      "sentence_bert_config.json",
                                      "sentence_roberta_config.json",
                                      "sentence_xlm-roberta_config.json",
                                      "config_sentence_transformers.json"};
constexpr const char* kSafetensors = "model.safetensors";
constexpr const char* kSafetensorsIndex = "model.safetensors.index.json";
constexpr const char* kPytorch = "pytorch_model.bin";
constexpr const char* kPytorchIndex = "pytorch_model.bin.index.json";

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
  if (add_file(files, kSafetensors)) {
    files.weights = {kSafetensors};
  } else if (add_file(files, kSafetensorsIndex)) {
    files.weights_index = kSafetensorsIndex;
    const std::string path = files.path(kSafetensorsIndex);
    std::set<std::string> shards;
    for (const auto& [tensor, shard] : parse_safetensors_index(read_file(path, kLongestText), path))
      shards.insert(shard);
    files.weights.assign(shards.begin(), shards.end());
    for (const std::string& shard : files.weights) {
      if (!add_file(files, shard)) missing.push_back(shard);
    }
  } else if (add_file(files, kPytorch)) {
    files.weights = {kPytorch};
  } else if (is_file(files.path(kPytorchIndex))) {
    fail<ModelLoadingError>(ErrorCode::unsupported,
                            "{}: weights of torch in several files are not supported; save the model as safetensors",
                            files.path(kPytorchIndex));
  } else {
    missing.push_back(fmt::format("the weights ({}, {} or {})", kSafetensors, kSafetensorsIndex, kPytorch));
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
  if (files.has("modules.json")) {
    const std::string path = files.path("modules.json");
    const std::string pooling =
        fmt::format("{}/config.json", parse_modules(read_file(path, kLongestText), path).pooling_folder);
    if (!add_file(files, pooling)) missing.push_back(pooling);
  }
  for (const char* needed : {"config.json", "tokenizer.json"}) {
    if (!files.has(needed)) missing.push_back(needed);
  }
  add_weights(files, missing);
  if (!missing.empty()) {
    fail<ModelLoadingError>(ErrorCode::not_found, "model {}: missing {}; looked in {}; {}", quote(files.name),
                            fmt::join(missing, ", "), files.folder,
                            files.revision.empty() ? "give a folder with all files of the model"
                                                   : "complete the download, for example with \"hf download\"");
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

std::string expand_home(const std::string& path, const CacheEnvironment& environment) {
  if (path == "~" || path.starts_with("~/")) return environment.home + path.substr(1);
  return path;
}

ModelFiles find_in_cache(const std::string& name, const std::string& repository, const std::string& revision,
                         const CacheEnvironment& environment) {
  const std::string cache = cache_folder(environment);
  if (cache.empty()) {
    fail<ModelLoadingError>(ErrorCode::not_found,
                            "model {}: no such folder, and no Hugging Face cache to look in: none of HF_HUB_CACHE, "
                            "HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HOME is set",
                            quote(name));
  }
  std::string folder_name = "models--" + repository;
  if (const size_t slash = folder_name.find('/'); slash != std::string::npos) folder_name.replace(slash, 1, "--");
  const std::string folder = join_path(cache, folder_name);
  if (!is_folder(folder)) {
    fail<ModelLoadingError>(
        ErrorCode::not_found,
        "model {}: found neither the folder {} nor {} in the Hugging Face cache; download it, for example "
        "with \"hf download {}\", or give the folder that holds its files",
        quote(name), name, folder, repository);
  }
  // As huggingface_hub: a name in refs leads to a commit, anything else must be a commit itself.
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
  }
  const std::string snapshot = fmt::format("{}/snapshots/{}", folder, commit);
  if (!is_commit(commit) || !is_folder(snapshot)) {
    fail<ModelLoadingError>(
        ErrorCode::not_found,
        "model {}: revision {} is not in the Hugging Face cache: found neither {} nor the folder {}; download "
        "it, for example with \"hf download {} --revision {}\"",
        quote(name), quote(revision), reference, snapshot, repository, revision);
  }
  return list_files(name, snapshot, commit);
}

}  // namespace

CacheEnvironment read_environment() {
  const auto get = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  return {.hf_hub_cache = get("HF_HUB_CACHE"),
          .huggingface_hub_cache = get("HUGGINGFACE_HUB_CACHE"),
          .hf_home = get("HF_HOME"),
          .xdg_cache_home = get("XDG_CACHE_HOME"),
          .home = get("HOME"),
          .bgem3_cache_dir = get("BGEM3_CACHE_DIR")};
}

std::string cache_folder(const CacheEnvironment& environment) {
  const CacheEnvironment& e = environment;
  if (!e.hf_hub_cache.empty()) return expand_home(e.hf_hub_cache, e);
  if (!e.huggingface_hub_cache.empty()) return expand_home(e.huggingface_hub_cache, e);
  if (!e.hf_home.empty()) return expand_home(e.hf_home, e) + "/hub";
  if (!e.xdg_cache_home.empty()) return expand_home(e.xdg_cache_home, e) + "/huggingface/hub";
  if (!e.home.empty()) return e.home + "/.cache/huggingface/hub";
  return {};
}

std::string packed_cache_folder(const CacheEnvironment& environment) {
  const CacheEnvironment& e = environment;
  if (!e.bgem3_cache_dir.empty()) return expand_home(e.bgem3_cache_dir, e);
  if (!e.xdg_cache_home.empty()) return expand_home(e.xdg_cache_home, e) + "/bgem3";
  if (!e.home.empty()) return e.home + "/.cache/bgem3";
  return {};
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
  const size_t at = name.find('@');
  const std::string repository = name.substr(0, at);
  const std::string revision = at == std::string::npos ? "main" : name.substr(at + 1);
  if (is_repository(repository) && is_revision(revision)) {
    if (is_file(name)) {
      fail<InvalidInputError>(ErrorCode::invalid_input,
                              "model {}: expected a folder, found a file; give the folder it is in", quote(name));
    }
    return find_in_cache(name, repository, revision, environment);
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
