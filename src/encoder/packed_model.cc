#include "encoder/packed_model.h"

#include <functional>
#include <utility>

#include "base/error.h"

namespace bgem3 {
namespace {

std::vector<float> read_vector(const Tensor& tensor) {
  refuse_non_finite(tensor);
  std::vector<float> values(tensor.elements());
  convert_to_f32(tensor, 0, values);
  return values;
}

NormWeights read_norm(const Tensor& gain, const Tensor& bias) { return {read_vector(gain), read_vector(bias)}; }

// Packs weight [columns, depth] and its bias behind the columns that are there, some rows at a time.
void pack(const Tensor& weight, const Tensor& bias, size_t first_column, PackedWeights& to) {
  refuse_non_finite(weight);
  constexpr size_t kRowsAtOnce = 32;
  const size_t columns = weight.shape[0], depth = weight.shape[1];
  const std::vector<float> all_bias = read_vector(bias);
  std::vector<float> rows(kRowsAtOnce * depth);
  for (size_t row = 0; row < columns; row += kRowsAtOnce) {
    const size_t count = std::min(kRowsAtOnce, columns - row);
    convert_to_f32(weight, row * depth, std::span(rows).first(count * depth));
    to.pack(first_column + row, {rows.data(), count, depth, depth}, std::span(all_bias).subspan(row, count));
  }
}

}  // namespace

PackedModel pack_model(const ModelConfig& config, Weights weights, ThreadPool& pool) {
  const size_t hidden = config.hidden, ffn = config.ffn;
  PackedModel model;
  model.config = config;
  model.layers.resize(weights.layers.size());

  std::vector<std::function<void()>> tasks;
  tasks.push_back([&] { refuse_non_finite(weights.word_embeddings); });
  tasks.push_back([&] { refuse_non_finite(weights.position_embeddings); });
  tasks.push_back([&] {
    refuse_non_finite(weights.token_type_embeddings);
    model.token_type_row.resize(hidden);
    convert_to_f32(weights.token_type_embeddings, 0, model.token_type_row);
    model.embedding_norm = read_norm(weights.embedding_norm_weight, weights.embedding_norm_bias);
  });
  for (size_t i = 0; i < weights.layers.size(); i++) {
    const LayerWeights& from = weights.layers[i];
    PackedLayer& to = model.layers[i];
    tasks.push_back([&from, &to, hidden] {
      to.query_key_value = PackedWeights(3 * hidden, hidden);
      pack(from.query_weight, from.query_bias, 0, to.query_key_value);
      pack(from.key_weight, from.key_bias, hidden, to.query_key_value);
      pack(from.value_weight, from.value_bias, 2 * hidden, to.query_key_value);
      to.attention_output = PackedWeights(hidden, hidden);
      pack(from.attention_output_weight, from.attention_output_bias, 0, to.attention_output);
      to.attention_norm = read_norm(from.attention_norm_weight, from.attention_norm_bias);
    });
    tasks.push_back([&from, &to, hidden, ffn] {
      to.intermediate = PackedWeights(ffn, hidden);
      pack(from.intermediate_weight, from.intermediate_bias, 0, to.intermediate);
      to.output = PackedWeights(hidden, ffn);
      pack(from.output_weight, from.output_bias, 0, to.output);
      to.output_norm = read_norm(from.output_norm_weight, from.output_norm_bias);
    });
  }
  pool.parallel_for(static_cast<int>(tasks.size()), [&](int index, int) { tasks[static_cast<size_t>(index)](); });

  model.word_embeddings = std::move(weights.word_embeddings);
  model.position_embeddings = std::move(weights.position_embeddings);
  model.files = std::move(weights.files);
  for (const MappedFile& file : model.files)
    file.release_pages();  // only a few rows of the tables are read from now on
  return model;
}

}  // namespace bgem3
