// One table says which tensors an encoder has and of which shape; everything else follows from it: finding the prefix
// of a file's names, filling the structs, and the list of what is missing or of another shape.
#include "model/weights.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "model/messages.h"
#include "model/safetensors.h"
#include "model/torch_zip.h"

namespace bgem3 {
namespace {

constexpr size_t kLongestIndex = 4 << 20;

// A shape as members of ModelConfig; a vector has no columns.
using Size = size_t ModelConfig::*;
struct Shape {
  Size rows;
  Size columns = nullptr;

  std::vector<size_t> of(const ModelConfig& config) const {
    if (!columns) return {config.*rows};
    return {config.*rows, config.*columns};
  }
};

template <typename Owner>
struct TableRow {
  Tensor Owner::*member;
  const char* name;
  Shape shape;
};

constexpr Size kHidden = &ModelConfig::hidden;
constexpr Size kFfn = &ModelConfig::ffn;

constexpr TableRow<Weights> kEmbeddings[] = {
    {&Weights::word_embeddings, "embeddings.word_embeddings.weight", {&ModelConfig::vocab, kHidden}},
    {&Weights::position_embeddings, "embeddings.position_embeddings.weight", {&ModelConfig::position_rows, kHidden}},
    {&Weights::token_type_embeddings, "embeddings.token_type_embeddings.weight", {&ModelConfig::token_types, kHidden}},
    {&Weights::embedding_norm_weight, "embeddings.LayerNorm.weight", {kHidden}},
    {&Weights::embedding_norm_bias, "embeddings.LayerNorm.bias", {kHidden}},
};

// After "encoder.layer.N.".
constexpr TableRow<LayerWeights> kLayer[] = {
    {&LayerWeights::query_weight, "attention.self.query.weight", {kHidden, kHidden}},
    {&LayerWeights::query_bias, "attention.self.query.bias", {kHidden}},
    {&LayerWeights::key_weight, "attention.self.key.weight", {kHidden, kHidden}},
    {&LayerWeights::key_bias, "attention.self.key.bias", {kHidden}},
    {&LayerWeights::value_weight, "attention.self.value.weight", {kHidden, kHidden}},
    {&LayerWeights::value_bias, "attention.self.value.bias", {kHidden}},
    {&LayerWeights::attention_output_weight, "attention.output.dense.weight", {kHidden, kHidden}},
    {&LayerWeights::attention_output_bias, "attention.output.dense.bias", {kHidden}},
    {&LayerWeights::attention_norm_weight, "attention.output.LayerNorm.weight", {kHidden}},
    {&LayerWeights::attention_norm_bias, "attention.output.LayerNorm.bias", {kHidden}},
    {&LayerWeights::intermediate_weight, "intermediate.dense.weight", {kFfn, kHidden}},
    {&LayerWeights::intermediate_bias, "intermediate.dense.bias", {kFfn}},
    {&LayerWeights::output_weight, "output.dense.weight", {kHidden, kFfn}},
    {&LayerWeights::output_bias, "output.dense.bias", {kHidden}},
    {&LayerWeights::output_norm_weight, "output.LayerNorm.weight", {kHidden}},
    {&LayerWeights::output_norm_bias, "output.LayerNorm.bias", {kHidden}},
};

constexpr const char* kSparseHead = "sparse_linear";
constexpr const char* kMultiHead = "colbert_linear";

constexpr const char* kPrefixes[] = {"", "roberta.", "bert.", "model."};

class Picker {
 public:
  Picker(std::vector<Tensor> tensors, const ModelConfig& config, std::string_view file)
      : tensors_(std::move(tensors)), config_(config), file_(file) {
    for (Tensor& tensor : tensors_) {
      if (!by_name_.emplace(tensor.name, &tensor).second) {
        fail<ModelLoadingError>(ErrorCode::corrupt, "{}: tensor {} is there twice", tensor.file, quote(tensor.name));
      }
    }
  }

  Weights pick() {
    find_prefix();
    Weights weights;
    for (const auto& row : kEmbeddings) weights.*row.member = take_prefixed(row.name, row.shape);
    weights.layers.resize(config_.layers);
    for (size_t n = 0; n < config_.layers; ++n) {
      for (const auto& row : kLayer) {
        weights.layers[n].*row.member = take_prefixed(fmt::format("encoder.layer.{}.{}", n, row.name), row.shape);
      }
    }
    refuse_more_layers();
    weights.sparse_head = take_head(kSparseHead, 1);
    weights.multi_head = take_head(kMultiHead, config_.hidden);
    if (differences_ > 0) {
      fail<ModelLoadingError>(
          ErrorCode::corrupt, "{}: {} tensors do not fit config.json: {}{}; the files are of different models", file_,
          differences_, fmt::join(first_differences_, "; "), differences_ > first_differences_.size() ? "; ..." : "");
    }
    return weights;
  }

 private:
  // The prefix under which the word embeddings are: exactly one.
  void find_prefix() {
    std::optional<std::string_view> found;
    for (const std::string_view prefix : kPrefixes) {
      if (!by_name_.contains(fmt::format("{}{}", prefix, kEmbeddings[0].name))) continue;
      if (found) {
        fail<ModelLoadingError>(ErrorCode::corrupt, "{}: two encoders, with the prefixes {} and {}; expected one",
                                file_, quote(*found), quote(prefix));
      }
      found = prefix;
    }
    prefix_ = found.value_or("");
  }

  Tensor take_prefixed(std::string_view name, const Shape& shape) {
    return take(fmt::format("{}{}", prefix_, name), shape.of(config_));
  }

  HeadWeights take_head(const std::string& name, size_t rows) {
    const std::string weight = name + ".weight", bias = name + ".bias";
    if (!by_name_.contains(weight) && !by_name_.contains(bias)) return {};
    return {take(weight, {rows, config_.hidden}), take(bias, {rows})};
  }

  Tensor take(const std::string& name, const std::vector<size_t>& expected) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      differs("{} {} is missing", quote(name), shape_text(expected));
      return {};
    }
    Tensor& tensor = *found->second;
    if (tensor.shape != expected) {
      differs("{} is {}, expected {}", quote(tensor.name), shape_text(tensor.shape), shape_text(expected));
      return {};
    }
    if (tensor.dtype != DType::f32 && tensor.dtype != DType::f16 && tensor.dtype != DType::bf16) {
      fail<ModelLoadingError>(ErrorCode::unsupported,
                              "{}: tensor {} holds {}; bgem3 reads weights in F32, F16 and BF16", tensor.file,
                              quote(tensor.name), to_string(tensor.dtype));
    }
    return std::move(tensor);
  }

  // A file with more layers than the config says would otherwise load, and compute something else than its name says.
  void refuse_more_layers() {
    const std::string name = fmt::format("{}encoder.layer.{}.{}", prefix_, config_.layers, kLayer[0].name);
    if (by_name_.contains(name)) differs("{} is there, but num_hidden_layers is {}", quote(name), config_.layers);
  }

  template <typename... Args>
  void differs(fmt::format_string<Args...> format, Args&&... args) {
    constexpr size_t kShown = 5;
    if (differences_++ < kShown) first_differences_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  std::vector<Tensor> tensors_;
  const ModelConfig& config_;
  std::string_view file_;
  std::unordered_map<std::string, Tensor*> by_name_;
  std::string_view prefix_;
  size_t differences_ = 0;
  std::vector<std::string> first_differences_;
};

// Every shard holds exactly the tensors that the index says.
void check_shards(const std::map<std::string, std::string>& index, const std::vector<Tensor>& tensors,
                  const ModelFiles& files) {
  std::unordered_map<std::string_view, std::string_view> shard_of;
  for (const Tensor& tensor : tensors) shard_of.emplace(tensor.name, tensor.file);
  for (const auto& [tensor, shard] : index) {
    const auto found = shard_of.find(tensor);
    if (found != shard_of.end() && found->second == files.path(shard)) continue;
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: tensor {} is not in the shard {} as {} says", files.folder,
                            quote(tensor), quote(shard), files.weights_index);
  }
}

// The tensors of a head's own file, under the names they have among the weights, in place of those there.
void add_head(const MappedFile& file, const std::string& head, std::vector<Tensor>& tensors) {
  std::erase_if(tensors, [&](const Tensor& tensor) { return tensor.name.starts_with(head + "."); });
  bool found = false;
  for (Tensor& tensor : parse_torch_zip(file.bytes(), file.path())) {
    if (tensor.name != "weight" && tensor.name != "bias") continue;
    tensor.name = fmt::format("{}.{}", head, tensor.name);
    tensors.push_back(std::move(tensor));
    found = true;
  }
  if (!found) {
    fail<ModelLoadingError>(ErrorCode::corrupt,
                            "{}: expected the tensors \"weight\" and \"bias\", found neither; download it again",
                            file.path());
  }
}

}  // namespace

std::vector<const Tensor*> all_tensors(const Weights& weights) {
  std::vector<const Tensor*> tensors;
  for (const auto& row : kEmbeddings) tensors.push_back(&(weights.*row.member));
  for (const LayerWeights& layer : weights.layers) {
    for (const auto& row : kLayer) tensors.push_back(&(layer.*row.member));
  }
  for (const HeadWeights* head : {&weights.sparse_head, &weights.multi_head}) {
    if (head->is_there()) tensors.insert(tensors.end(), {&head->weight, &head->bias});
  }
  return tensors;
}

Weights pick_weights(std::vector<Tensor> tensors, const ModelConfig& config, std::string_view file) {
  return Picker(std::move(tensors), config, file).pick();
}

Weights load_weights(const ModelFiles& files, const ModelConfig& config) {
  const bool pytorch = files.weights_index.empty() && files.weights.at(0).ends_with(".bin");
  std::vector<std::shared_ptr<const MappedFile>> mapped;
  std::vector<Tensor> tensors;
  for (const std::string& name : files.weights) {
    const MappedFile& file = *mapped.emplace_back(std::make_shared<const MappedFile>(files.path(name)));
    auto parsed = pytorch ? parse_torch_zip(file.bytes(), file.path()) : parse_safetensors(file.bytes(), file.path());
    std::move(parsed.begin(), parsed.end(), std::back_inserter(tensors));
  }
  if (!files.weights_index.empty()) {
    const std::string path = files.path(files.weights_index);
    check_shards(parse_safetensors_index(read_file(path, kLongestIndex), path), tensors, files);
  }
  for (const auto& [name, head] : {std::pair(kSparseHeadFile, kSparseHead), std::pair(kMultiHeadFile, kMultiHead)}) {
    if (!files.has(name)) continue;
    add_head(*mapped.emplace_back(std::make_shared<const MappedFile>(files.path(name))), head, tensors);
  }
  Weights weights = pick_weights(std::move(tensors), config, files.path(files.weights[0]));
  weights.format = pytorch ? "pytorch" : "safetensors";
  weights.files = std::move(mapped);
  return weights;
}

}  // namespace bgem3
