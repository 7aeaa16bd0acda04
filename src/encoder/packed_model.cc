#include "encoder/packed_model.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/error.h"

namespace bgem3 {
namespace {

// Rows of a weight that are widened at a time: one panel.
constexpr size_t kRowsAtOnce = kPanelColumns;

std::vector<float> read_vector(const Tensor& tensor) {
  refuse_non_finite(tensor);
  std::vector<float> values(tensor.elements());
  convert_to_f32(tensor, 0, values);
  return values;
}

NormWeights read_norm(const Tensor& gain, const Tensor& bias) { return {read_vector(gain), read_vector(bias)}; }

// A linear layer as the model stores it.
struct Linear {
  const Tensor& weight;  // [columns, depth]
  const Tensor& bias;    // [columns]
};

// Calls f(first row, rows [count, depth]) for blocks of the weight's rows, widened.
template <typename Function>
void for_each_block(const Tensor& weight, Function f) {
  const size_t columns = weight.shape[0], depth = weight.shape[1];
  std::vector<float> rows(kRowsAtOnce * depth);
  for (size_t row = 0; row < columns; row += kRowsAtOnce) {
    const size_t count = std::min(kRowsAtOnce, columns - row);
    convert_to_f32(weight, row * depth, std::span(rows).first(count * depth));
    f(row, View<const float>{rows.data(), count, depth, depth});
  }
}

bool is_exact_in_f16(const Tensor& weight) {
  bool exact = true;
  for_each_block(weight, [&](size_t, View<const float> rows) {
    exact = exact && exact_in_f16(std::span(rows.data, rows.rows * rows.columns));
  });
  return exact;
}

WeightType choose_type(const std::vector<Linear>& parts, Precision precision) {
  if (precision == Precision::bf16) return WeightType::bf16;
  if (precision == Precision::int8) return WeightType::s8;
  const bool exact =
      std::all_of(parts.begin(), parts.end(), [](const Linear& part) { return is_exact_in_f16(part.weight); });
  return exact ? WeightType::f16 : WeightType::f32;
}

// The layers as one matrix, the columns of each from a new panel on.
PackedWeights pack(const std::vector<Linear>& parts, Precision precision, AlignedBuffer<std::byte>& storage) {
  const size_t depth = parts.front().weight.shape[1];
  size_t columns = 0;
  for (const Linear& part : parts) {
    refuse_non_finite(part.weight);
    columns += round_up(part.weight.shape[0], kPanelColumns);
  }
  const WeightType type = choose_type(parts, precision);
  storage = AlignedBuffer<std::byte>(packed_bytes(type, columns, depth));
  size_t first_column = 0;
  for (const Linear& part : parts) {
    const std::vector<float> bias = read_vector(part.bias);
    for_each_block(part.weight, [&](size_t row, View<const float> rows) {
      pack_weights(type, columns, depth, first_column + row, rows, std::span(bias).subspan(row, rows.rows),
                   storage.data());
    });
    first_column += round_up(part.weight.shape[0], kPanelColumns);
  }
  return {type, columns, depth, storage.data()};
}

}  // namespace

PackedModel pack_model(const ModelConfig& config, Weights weights, Precision precision, Team& team) {
  PackedModel model;
  model.config = config;
  model.precision = precision;
  model.layers.resize(weights.layers.size());

  std::vector<std::function<void()>> tasks;
  tasks.push_back([&] { refuse_non_finite(weights.word_embeddings); });
  tasks.push_back([&] { refuse_non_finite(weights.position_embeddings); });
  tasks.push_back([&] {
    refuse_non_finite(weights.token_type_embeddings);
    model.token_type_row.resize(config.hidden);
    convert_to_f32(weights.token_type_embeddings, 0, model.token_type_row);
    model.embedding_norm = read_norm(weights.embedding_norm_weight, weights.embedding_norm_bias);
  });
  for (size_t i = 0; i < weights.layers.size(); i++) {
    const LayerWeights& from = weights.layers[i];
    PackedLayer& to = model.layers[i];
    AlignedBuffer<std::byte>* storage[4];
    for (auto& buffer : storage) buffer = &model.storage.emplace_back();
    tasks.push_back([&from, &to, precision, qkv = storage[0], out = storage[1]] {
      to.query_key_value = pack({{from.query_weight, from.query_bias},
                                 {from.key_weight, from.key_bias},
                                 {from.value_weight, from.value_bias}},
                                precision, *qkv);
      to.attention_output = pack({{from.attention_output_weight, from.attention_output_bias}}, precision, *out);
      to.attention_norm = read_norm(from.attention_norm_weight, from.attention_norm_bias);
    });
    tasks.push_back([&from, &to, precision, inner = storage[2], out = storage[3]] {
      to.intermediate = pack({{from.intermediate_weight, from.intermediate_bias}}, precision, *inner);
      to.output = pack({{from.output_weight, from.output_bias}}, precision, *out);
      to.output_norm = read_norm(from.output_norm_weight, from.output_norm_bias);
    });
  }
  team.parallel_for(tasks.size(), [&](size_t index, int) { tasks[index](); });

  model.word_embeddings = std::move(weights.word_embeddings);
  model.position_embeddings = std::move(weights.position_embeddings);
  model.files = std::move(weights.files);
  for (const MappedFile& file : model.files)
    file.release_pages();  // only a few rows of the tables are read from now on
  return model;
}

}  // namespace bgem3
