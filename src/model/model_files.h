// Where the files of a model are: a folder, or a repository in the Hugging Face cache. Start at find_model.
#pragma once

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

// The one place where the library reads the environment.
CacheEnvironment read_environment();

// The folder of the cache: HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else HF_HOME/hub, else
// XDG_CACHE_HOME/huggingface/hub, else HOME/.cache/huggingface/hub; a leading "~" stands for HOME. Empty if none of the
// five is set.
std::string cache_folder(const CacheEnvironment& environment);

// The folder of our own cache, for packed weights: BGEM3_CACHE_DIR, else XDG_CACHE_HOME/bgem3, else HOME/.cache/bgem3;
// a leading "~" stands for HOME. Empty if none of the three is set.
std::string packed_cache_folder(const CacheEnvironment& environment);

// The files of bge-m3's other two outputs, where a model has them: each one linear layer as torch saves it.
constexpr const char* kSparseHeadFile = "sparse_linear.pt";
constexpr const char* kMultiHeadFile = "colbert_linear.pt";

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
// default revision is main; a revision is a branch, a tag or a full commit). Weights are model.safetensors, else the
// shards of model.safetensors.index.json, else pytorch_model.bin. Throws ModelLoadingError: not_found with every
// missing file and every place that was looked at; corrupt (an index or modules.json that cannot be followed);
// unsupported (a sharded pytorch_model.bin); InvalidInputError for a name that is neither.
ModelFiles find_model(const std::string& name, const CacheEnvironment& environment = read_environment());

// The same for a folder that is already known.
ModelFiles find_model_in_folder(const std::string& folder);

}  // namespace bgem3
