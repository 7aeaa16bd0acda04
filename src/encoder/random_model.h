// Small models of random weights, for tests. Start at RandomModel.
#pragma once

#include <cmath>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include "model/weights.h"

namespace bgem3 {

// Weights in memory with seeded random values; queries and keys wide enough that attention is far from flat.
class RandomModel {
 public:
  explicit RandomModel(const ModelConfig& config, unsigned seed = 1) : config_(config), generator_(seed) {
    const size_t hidden = config.hidden, ffn = config.ffn;
    weights_.word_embeddings = make({config.vocab, hidden}, 1);
    weights_.position_embeddings = make({config.position_rows, hidden}, 1);
    weights_.token_type_embeddings = make({config.token_types, hidden}, 1);
    weights_.embedding_norm_weight = make({hidden}, 0.2f, 1);
    weights_.embedding_norm_bias = make({hidden}, 0.2f);
    const float inner = 1 / std::sqrt(static_cast<float>(hidden)), outer = 1 / std::sqrt(static_cast<float>(ffn));
    for (size_t i = 0; i < config.layers; i++) {
      LayerWeights& layer = weights_.layers.emplace_back();
      layer.query_weight = make({hidden, hidden}, 2 * inner), layer.query_bias = make({hidden}, 0.2f);
      layer.key_weight = make({hidden, hidden}, 2 * inner), layer.key_bias = make({hidden}, 0.2f);
      layer.value_weight = make({hidden, hidden}, inner), layer.value_bias = make({hidden}, 0.2f);
      layer.attention_output_weight = make({hidden, hidden}, inner), layer.attention_output_bias = make({hidden}, 0.2f);
      layer.attention_norm_weight = make({hidden}, 0.2f, 1), layer.attention_norm_bias = make({hidden}, 0.2f);
      layer.intermediate_weight = make({ffn, hidden}, inner), layer.intermediate_bias = make({ffn}, 0.2f);
      layer.output_weight = make({hidden, ffn}, outer), layer.output_bias = make({hidden}, 0.2f);
      layer.output_norm_weight = make({hidden}, 0.2f, 1), layer.output_norm_bias = make({hidden}, 0.2f);
    }
  }

  const ModelConfig& config() const { return config_; }
  // Views into this object.
  Weights weights() const {
    Weights copy;
    copy.word_embeddings = weights_.word_embeddings;
    copy.position_embeddings = weights_.position_embeddings;
    copy.token_type_embeddings = weights_.token_type_embeddings;
    copy.embedding_norm_weight = weights_.embedding_norm_weight;
    copy.embedding_norm_bias = weights_.embedding_norm_bias;
    copy.layers = weights_.layers;
    return copy;
  }

 private:
  Tensor make(std::vector<size_t> shape, float width, float mean = 0) {
    size_t elements = 1;
    for (const size_t size : shape) elements *= size;
    std::normal_distribution<float> normal(mean, width);
    std::vector<float>& values = storage_.emplace_back(elements);
    for (float& value : values) value = normal(generator_);
    Tensor tensor;
    tensor.name = "random";
    tensor.dtype = DType::f32;
    tensor.shape = std::move(shape);
    tensor.bytes = std::as_bytes(std::span(values));
    return tensor;
  }

  ModelConfig config_;
  std::mt19937 generator_;
  std::deque<std::vector<float>> storage_;
  Weights weights_;
};

inline ModelConfig tiny_config(const std::string& model_type, size_t hidden, size_t heads, size_t ffn,
                               size_t layers = 2) {
  ModelConfig config;
  config.model_type = model_type;
  config.hidden = hidden;
  config.heads = heads;
  config.ffn = ffn;
  config.layers = layers;
  config.vocab = 50;
  config.position_rows = 700;
  config.token_types = 2;
  config.layer_norm_eps = 1e-5f;
  config.pad_id = 1;
  config.max_tokens = 690;
  return config;
}

}  // namespace bgem3
