// The weights of an encoder by name, with their shapes checked. Start at load_weights.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "bgem3/model.h"
#include "model/model_files.h"
#include "model/tensor.h"

namespace bgem3 {

// One block. Matrices are [outputs, inputs]; vectors have as many elements as outputs.
struct LayerWeights {
  Tensor query_weight, query_bias;  // [hidden, hidden]
  Tensor key_weight, key_bias;
  Tensor value_weight, value_bias;
  Tensor attention_output_weight, attention_output_bias;
  Tensor attention_norm_weight, attention_norm_bias;
  Tensor intermediate_weight, intermediate_bias;  // [ffn, hidden]
  Tensor output_weight, output_bias;              // [hidden, ffn]
  Tensor output_norm_weight, output_norm_bias;
};

// The linear layer of an output beside the dense one; both tensors are empty where a model has none.
struct HeadWeights {
  Tensor weight, bias;
  bool is_there() const { return !weight.shape.empty(); }
};

// All weights, each f32, f16 or bf16 (a file may mix them). The tensors are valid as long as `files` are.
struct Weights {
  Tensor word_embeddings;        // [vocab, hidden]
  Tensor position_embeddings;    // [position_rows, hidden]
  Tensor token_type_embeddings;  // [token_types, hidden]
  Tensor embedding_norm_weight, embedding_norm_bias;
  std::vector<LayerWeights> layers;
  HeadWeights sparse_head;                               // [1, hidden]
  HeadWeights multi_head;                                // [hidden, hidden]
  std::string format;                                    // "safetensors" or "pytorch"
  std::vector<std::shared_ptr<const MappedFile>> files;  // what the tensors point into
};

// Every tensor of them, by its place in the structs above.
std::vector<const Tensor*> all_tensors(const Weights& weights);

// Maps the weight files and answers their tensors. Names may have the prefix "roberta.", "bert." or "model." (all of
// them or none). The heads are in their own files, else tensors of the weights named "sparse_linear" and
// "colbert_linear", without prefix, or not there. Tensors that are not used (pooler, position_ids) are ignored. Throws
// ModelLoadingError: as MappedFile and the parsers do; corrupt with the first differences if tensors are missing, or
// have another shape than the config says; unsupported for an element type other than f32, f16, bf16.
// Values are not looked at: call refuse_non_finite() for each tensor when reading it.
Weights load_weights(const ModelFiles& files, const ModelConfig& config);

// The part of load_weights() after parsing: picks the encoder's tensors. `file` stands for their origin in messages.
Weights pick_weights(std::vector<Tensor> tensors, const ModelConfig& config, std::string_view file);

}  // namespace bgem3
