#include "hub/selection.h"

#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "model/messages.h"
#include "model/model_files.h"
#include "model/modules.h"
#include "model/safetensors.h"

namespace bgem3 {

Selection select_files(const std::string& repository, const HubRevision& revision,
                       const std::function<std::string(const std::string& name)>& read) {
  Selection selection;
  const auto where = [&](const std::string& name) { return fmt::format("{}: {}", repository, name); };
  const auto lacks = [&](const std::string& what) {
    fail<ModelLoadingError>(
        ErrorCode::not_found,
        "{}: revision {} has no {}; bgem3 runs models with tokenizer.json and weights as safetensors or "
        "pytorch_model.bin",
        repository, revision.commit, what);
  };
  const auto take = [&](std::vector<std::string>& list, const std::string& name) {
    const bool there = revision.has(name);
    (there ? list : selection.absent).push_back(name);
    return there;
  };

  for (const char* name : kTextFiles)
    take(name == std::string("tokenizer.json") ? selection.content : selection.configuration, name);
  for (const char* needed : {"config.json", "tokenizer.json"}) {
    if (!revision.has(needed)) lacks(needed);
  }
  if (revision.has(kModulesFile)) {
    const std::string pooling =
        fmt::format("{}/config.json", parse_modules(read(kModulesFile), where(kModulesFile)).pooling_folder);
    if (!take(selection.configuration, pooling)) lacks(pooling);
  }
  for (const char* head : {kSparseHeadFile, kMultiHeadFile}) take(selection.content, head);

  if (take(selection.content, kSafetensorsFile)) return selection;
  if (take(selection.configuration, kSafetensorsIndexFile)) {
    std::set<std::string> shards;
    for (const auto& [tensor, shard] :
         parse_safetensors_index(read(kSafetensorsIndexFile), where(kSafetensorsIndexFile)))
      shards.insert(shard);
    for (const std::string& shard : shards) {
      if (!take(selection.content, shard)) lacks(shard);
    }
    return selection;
  }
  if (take(selection.content, kPytorchFile)) return selection;
  if (revision.has(kPytorchIndexFile)) {
    fail<ModelLoadingError>(ErrorCode::unsupported,
                            "{}: weights of torch in several files are not supported; save the model as safetensors",
                            where(kPytorchIndexFile));
  }
  lacks("weights");
  return selection;
}

std::string part_of(const std::string& name) {
  if (name == "tokenizer.json" || name == "tokenizer_config.json") return "tokenizer";
  return name.ends_with(".json") && name != kSafetensorsIndexFile ? "config" : "weights";
}

}  // namespace bgem3
