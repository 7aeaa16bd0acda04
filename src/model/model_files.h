// Where the files of a model are: a folder, or a repository in the Hugging Face cache. Start at find_model.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bgem3/model.h"

namespace bgem3 {

// The environment variables that say where the caches are; empty for one that is not set.
struct CacheEnvironment {
  std::string hf_hub_cache;           // HF_HUB_CACHE
  std::string huggingface_hub_cache;  // HUGGINGFACE_HUB_CACHE, its older name
  std::string hf_home;                // HF_HOME
  std::string xdg_cache_home;         // XDG_CACHE_HOME
  std::string home;                   // HOME
  std::string bgem3_cache_dir;        // BGEM3_CACHE_DIR
};

// Those that say how the hub is reached; empty for one that is not set.
struct HubEnvironment {
  std::string hf_endpoint;                    // HF_ENDPOINT
  std::string hf_token;                       // HF_TOKEN
  std::string hugging_face_hub_token;         // HUGGING_FACE_HUB_TOKEN, its older name
  std::string hf_token_path;                  // HF_TOKEN_PATH
  std::string hf_hub_disable_implicit_token;  // HF_HUB_DISABLE_IMPLICIT_TOKEN
  std::string hf_hub_offline;                 // HF_HUB_OFFLINE
  std::string transformers_offline;           // TRANSFORMERS_OFFLINE
  std::string hf_hub_etag_timeout;            // HF_HUB_ETAG_TIMEOUT
  std::string hf_hub_download_timeout;        // HF_HUB_DOWNLOAD_TIMEOUT
  std::string hf_hub_disable_symlinks;        // HF_HUB_DISABLE_SYMLINKS
  std::string ssl_cert_file;                  // SSL_CERT_FILE
};

// The one place where the library reads the environment.
CacheEnvironment read_environment();
HubEnvironment read_hub_environment();

// A leading "~" or "~/" of a path stands for HOME.
std::string expand_home(const std::string& path, const CacheEnvironment& environment);

// The folder that Hugging Face programs share: HF_HOME, else XDG_CACHE_HOME/huggingface, else HOME/.cache/huggingface;
// empty if none of the three is set.
std::string hugging_face_home(const CacheEnvironment& environment);

// The folder of the cache: HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else HF_HOME/hub, else
// XDG_CACHE_HOME/huggingface/hub, else HOME/.cache/huggingface/hub; a leading "~" stands for HOME. Empty if none of the
// five is set.
std::string cache_folder(const CacheEnvironment& environment);

// The folder of our own cache, for packed weights: BGEM3_CACHE_DIR, else XDG_CACHE_HOME/bgem3, else HOME/.cache/bgem3;
// a leading "~" stands for HOME. Empty if none of the three is set.
std::string packed_cache_folder(const CacheEnvironment& environment);

// The names of the files that bgem3 reads of a model. All but config.json and tokenizer.json may be missing, and of the
// weights the first that is there is taken. modules.json names one more: the configuration of the pooling.
inline constexpr const char* kTextFiles[] = {"config.json",
                                             "tokenizer.json",
                                             "tokenizer_config.json",
                                             "modules.json",
                                             "sentence_bert_config.json",
                                             "sentence_roberta_config.json",
                                             "sentence_xlm-roberta_config.json",
                                             "config_sentence_transformers.json"};
inline constexpr const char* kModulesFile = "modules.json";
inline constexpr const char* kSafetensorsFile = "model.safetensors";
inline constexpr const char* kSafetensorsIndexFile = "model.safetensors.index.json";
inline constexpr const char* kPytorchFile = "pytorch_model.bin";
inline constexpr const char* kPytorchIndexFile = "pytorch_model.bin.index.json";
// Those of bge-m3's other two outputs, where a model has them: each one linear layer as torch saves it.
inline constexpr const char* kSparseHeadFile = "sparse_linear.pt";
inline constexpr const char* kMultiHeadFile = "colbert_linear.pt";
inline constexpr size_t kLongestTextFile = 4 << 20;  // of modules.json and of an index: far above any real one

// A model as the hub names it: "BAAI/bge-m3@refs/pr/130".
struct RepositoryName {
  std::string repository;  // "BAAI/bge-m3"
  std::string revision;    // a branch, a tag or a commit; empty if none is named
};
// Nothing if the text is no such name.
std::optional<RepositoryName> parse_repository_name(const std::string& name);
// True for 40 lower-case hexadecimal digits: a revision that always means the same files.
bool is_full_commit(std::string_view revision);
// The folder of a repository in the cache: "models--BAAI--bge-m3".
std::string repository_folder_name(const std::string& repository);

// The files of one model. Nothing is opened longer than it takes to look.
struct ModelFiles {
  std::string name;                  // as the caller named it
  std::string folder;                // the folder itself, or the snapshot in the cache
  std::string revision;              // the snapshot's commit; empty for a plain folder
  std::vector<ModelFile> files;      // those that are there and that bgem3 reads, with their sizes, weights last
  std::vector<std::string> weights;  // names of the weight files: one, or the shards in the order of their names
  std::string weights_index;         // name of the shards' index; empty for a single file

  bool has(std::string_view name) const;
  // The path of a file in `folder`, there or not.
  std::string path(std::string_view name) const;
};

// Finds a model: `name` is a folder, or org/name[@revision] in the Hugging Face cache (a folder on disk wins; the
// default revision is main, and of BAAI/bge-m3 the pinned commit where the cache knows no main; a revision is a branch,
// a tag or a full commit). Weights are model.safetensors, else the shards of model.safetensors.index.json, else
// pytorch_model.bin. Throws ModelLoadingError: not_found with every missing file and every place that was looked at;
// corrupt (an index or modules.json that cannot be followed); unsupported (a sharded pytorch_model.bin);
// InvalidInputError for a name that is neither.
ModelFiles find_model(const std::string& name, const CacheEnvironment& environment = read_environment());

// The same for a folder that is already known.
ModelFiles find_model_in_folder(const std::string& folder);

}  // namespace bgem3
