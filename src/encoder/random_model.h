// Small models of random weights, for tests. Start at RandomModel.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "base/error.h"
#include "model/embedding_table.h"
#include "model/weights.h"

namespace bgem3 {

// Weights in a file of memory with seeded random values; queries and keys wide enough that attention is far from flat.
class RandomModel {
 public:
  explicit RandomModel(const ModelConfig& config, unsigned seed = 1) : config_(config), generator_(seed) {
    const size_t hidden = config.hidden, ffn = config.ffn;
    const size_t values = (config.vocab + config.position_rows + config.token_types + 2) * hidden +
                          config.layers * (4 * hidden * hidden + 2 * hidden * ffn + 9 * hidden + ffn) +
                          hidden * hidden + 2 * hidden + 1;
    BGEM3_CHECK(file_ >= 0 && ftruncate(file_, static_cast<off_t>(values * sizeof(float))) == 0);
    weights_.files.push_back(std::make_shared<const MappedFile>(fmt::format("/proc/self/fd/{}", file_)));
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
    weights_.sparse_head = {make({1, hidden}, inner), make({1}, 0.2f)};
    weights_.multi_head = {make({hidden, hidden}, inner), make({hidden}, 0.2f)};
  }

  ~RandomModel() { close(file_); }
  RandomModel(const RandomModel&) = delete;
  RandomModel& operator=(const RandomModel&) = delete;

  const ModelConfig& config() const { return config_; }
  const Weights& weights() const { return weights_; }

 private:
  Tensor make(std::vector<size_t> shape, float width, float mean = 0) {
    size_t elements = 1;
    for (const size_t size : shape) elements *= size;
    std::normal_distribution<float> normal(mean, width);
    std::vector<float> values(elements);
    for (float& value : values) value = normal(generator_);
    const std::span<const std::byte> bytes = std::as_bytes(std::span(values));
    size_t written = 0;
    while (written < bytes.size()) {
      const ssize_t count =
          pwrite(file_, bytes.data() + written, bytes.size() - written, static_cast<off_t>(used_ + written));
      BGEM3_CHECK(count > 0);
      written += static_cast<size_t>(count);
    }
    Tensor tensor;
    tensor.name = "random";
    tensor.dtype = DType::f32;
    tensor.shape = std::move(shape);
    tensor.bytes = weights_.files[0]->bytes().subspan(used_, bytes.size());
    used_ += bytes.size();
    return tensor;
  }

  ModelConfig config_;
  std::mt19937 generator_;
  int file_ = memfd_create("random_model", MFD_CLOEXEC);
  size_t used_ = 0;
  Weights weights_;
};

// A table of these values, [rows, columns], in a file of memory.
inline EmbeddingTable table_of(std::span<const float> values, size_t columns) {
  const int file = memfd_create("table", MFD_CLOEXEC);
  BGEM3_CHECK(file >= 0 &&
              write(file, values.data(), values.size_bytes()) == static_cast<ssize_t>(values.size_bytes()));
  const auto opened = std::make_shared<const OpenFile>(fmt::format("/proc/self/fd/{}", file));
  close(file);
  return EmbeddingTable(opened, 0, DType::f32, values.size() / columns, columns);
}

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
