#include "encoder/encoder.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/float_mode.h"

namespace bgem3 {
namespace {

// Rows of one task of an operation on rows.
constexpr size_t kRowsAtOnce = 32;

size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

size_t inner_rows(size_t tokens) { return std::min(tokens, Workspace::kInnerTokens); }

// Of the hidden rows: some weights that they meet are bf16.
bool needs_bf16(Precision precision, size_t hidden) { return value_precision(precision, hidden) == Precision::bf16; }

size_t scratch_values(const ModelConfig& config, Precision precision, size_t longest) {
  const size_t attention = precision == Precision::f32
                               ? AttentionScratch<float>({}, longest, config.head_size()).size
                               : AttentionScratch<BFloat16>({}, longest, config.head_size()).size;
  return std::max(attention, kProductScratch);
}

}  // namespace

void Batch::add(std::span<const uint32_t> text) {
  ids.insert(ids.end(), text.begin(), text.end());
  starts.push_back(ids.size());
}

size_t Batch::longest() const {
  size_t longest = 0;
  for (size_t i = 0; i < texts(); i++) longest = std::max(longest, starts[i + 1] - starts[i]);
  return longest;
}

Workspace::Values::Values(Precision precision, size_t rows, size_t columns) {
  if (precision == Precision::f32) {
    f32 = Matrix<float>(rows, columns);
  } else {
    bf16 = Matrix<BFloat16>(rows, columns);
  }
}

size_t Workspace::Values::bytes(Precision precision, size_t rows, size_t columns) {
  return precision == Precision::f32 ? Matrix<float>::bytes(rows, columns) : Matrix<BFloat16>::bytes(rows, columns);
}

Workspace::Quantized::Quantized(Precision precision, size_t rows, size_t columns) {
  if (precision != Precision::int8) return;
  values = Matrix<uint8_t>(rows, columns);
  scales = AlignedBuffer<float>(rows);
  zeros = AlignedBuffer<int32_t>(rows);
}

size_t Workspace::Quantized::bytes(Precision precision, size_t rows, size_t columns) {
  if (precision != Precision::int8) return 0;
  return Matrix<uint8_t>::bytes(rows, columns) + rows * (sizeof(float) + sizeof(int32_t));
}

Workspace::Workspace(const ModelConfig& config, Precision precision, size_t tokens_, size_t longest_, int threads)
    : tokens(tokens_),
      longest(longest_),
      hidden(tokens, config.hidden),
      hidden16(needs_bf16(precision, config.hidden) ? tokens : 0, config.hidden),
      hidden8(precision, tokens, config.hidden),
      sum(tokens, config.hidden),
      query_key_value(precision, tokens, 3 * PackedModel::part_columns(config)),
      context(precision, tokens, config.hidden),
      inner(precision, inner_rows(tokens), config.ffn),
      inner8(precision, inner_rows(tokens), config.ffn) {
  for (int i = 0; i < threads; i++) scratch.emplace_back(scratch_values(config, precision, longest));
}

size_t Workspace::bytes(const ModelConfig& config, Precision precision, size_t tokens, size_t longest, int threads) {
  const size_t hidden = config.hidden, inner = inner_rows(tokens);
  return 2 * Matrix<float>::bytes(tokens, hidden) +
         (needs_bf16(precision, hidden) ? Matrix<BFloat16>::bytes(tokens, hidden) : 0) +
         Quantized::bytes(precision, tokens, hidden) +
         Values::bytes(precision, tokens, 3 * PackedModel::part_columns(config)) +
         Values::bytes(precision, tokens, hidden) + Values::bytes(precision, inner, config.ffn) +
         Quantized::bytes(precision, inner, config.ffn) +
         static_cast<size_t>(threads) * scratch_values(config, precision, longest) * sizeof(float);
}

// One pass: what forward() works with, and its steps.
struct Encoder::Pass {
  const PackedModel& model;
  const Ops& ops;
  const Batch& batch;
  Workspace& workspace;
  Team& team;
  size_t rows = 0;  // token vectors in workspace.hidden: all tokens, in the end perhaps the first of each text

  void embed();
  void layer(const PackedLayer& weights, TokenRows wanted);
  void attention(TokenRows wanted);
  template <typename T>
  void attention(View<T> query_key_value, View<T> context, void (*kernel)(const Attention<T>&), TokenRows wanted);
  void keep_first_rows();
  // hidden = norm(sum), and hidden as products read it.
  void norm(const NormWeights& weights);
  void quantize(View<const BFloat16> from, const QuantizedRows& to);

  // A product of hidden rows; y is to be set.
  Product of_hidden(const PackedWeights& weights, Epilogue epilogue) {
    return {.weights = &weights,
            .x = workspace.hidden.rows(rows),
            .x16 = workspace.hidden16.rows(rows),
            .x8 = workspace.hidden8.rows(rows),
            .epilogue = epilogue};
  }
  // The product of hidden rows that stands from this column on in query_key_value.
  Product to_query_key_value(const PackedWeights& weights, size_t column) {
    Product product = of_hidden(weights, Epilogue::bias);
    if (model.precision == Precision::f32) {
      product.y = workspace.query_key_value.rows(rows).columns_at(column, weights.columns);
    } else {
      product.y16 = workspace.query_key_value.rows16(rows).columns_at(column, weights.columns);
    }
    return product;
  }
  void multiply(const Product& product, size_t product_rows) {
    multiply(product, product_rows, 0, product.weights->panels());
  }
  void multiply(const Product& product, size_t product_rows, size_t first_panel, size_t last_panel);
  // team.parallel_for with the kernels' floating-point mode.
  void parallel_for(size_t count, const std::function<void(size_t index, int thread)>& body);
  std::span<float> scratch(int thread) {
    AlignedBuffer<float>& buffer = workspace.scratch[static_cast<size_t>(thread)];
    return {buffer.data(), buffer.size()};
  }
};

Encoder::Encoder(PackedModel model, const Ops& ops) : model_(std::move(model)), ops_(ops) {}

View<const float> Encoder::forward(const Batch& batch, Workspace& workspace, Team& team, TokenRows wanted) const {
  BGEM3_CHECK(workspace.fits(batch) && workspace.scratch.size() >= static_cast<size_t>(team.threads()));
  Pass pass{model_, ops_, batch, workspace, team, batch.tokens()};
  pass.embed();
  for (size_t i = 0; i < model_.layers.size(); i++) {
    pass.layer(model_.layers[i], i + 1 == model_.layers.size() ? wanted : TokenRows::all);
  }
  return workspace.hidden.rows(pass.rows);
}

void Encoder::token_weights(const Batch& batch, Workspace& workspace, Team& team, std::span<float> out) const {
  const size_t tokens = batch.tokens(), columns = model_.config.hidden;
  BGEM3_CHECK(out.size() == tokens && model_.outputs().sparse);
  Pass pass{model_, ops_, batch, workspace, team, tokens};
  const View<float> hidden = workspace.hidden.rows(tokens);
  pass.parallel_for(divide_up(tokens, kRowsAtOnce), [&](size_t index, int) {
    for (size_t row = index * kRowsAtOnce; row < std::min((index + 1) * kRowsAtOnce, tokens); row++) {
      out[row] = ops_.dot(hidden.row(row), model_.sparse_head.data(), columns) + model_.sparse_head[columns];
    }
  });
}

View<const float> Encoder::token_vectors(const Batch& batch, Workspace& workspace, Team& team, size_t columns) const {
  BGEM3_CHECK(columns <= model_.config.hidden && model_.outputs().multi);
  Pass pass{model_, ops_, batch, workspace, team, batch.tokens()};
  Product product = pass.of_hidden(model_.multi_head, Epilogue::bias);
  product.y = workspace.sum.rows(batch.tokens());
  pass.multiply(product, batch.tokens(), 0, divide_up(columns, kPanelColumns));
  return product.y.columns_at(0, columns);
}

// hidden = norm(word + token type + position)
void Encoder::Pass::embed() {
  const ModelConfig& config = model.config;
  const View<float> sum = workspace.sum.rows(rows);
  parallel_for(batch.texts(), [&](size_t text, int) {
    std::vector<float> word(config.hidden), position(config.hidden);
    // XLM-RoBERTa numbers the tokens that are not padding from pad_id + 1 on, padding itself is pad_id (transformers,
    // create_position_ids_from_input_ids); a literal "<pad>" in a text is such a token. BERT counts from 0.
    const bool skip_padding = config.positions_skip_padding();
    size_t next = skip_padding ? config.pad_id + 1 : 0;
    for (size_t token = batch.starts[text]; token < batch.starts[text + 1]; token++) {
      const uint32_t id = batch.ids[token];
      const size_t row = skip_padding && id == config.pad_id ? config.pad_id : next++;
      BGEM3_CHECK(id < config.vocab && row < config.position_rows);
      model.word_embeddings.read_row(id, word);
      model.position_embeddings.read_row(row, position);
      ops.add_rows(word.data(), model.token_type_row.data(), position.data(), config.hidden, sum.row(token));
    }
  });
  norm(model.embedding_norm);
}

void Encoder::Pass::layer(const PackedLayer& weights, TokenRows wanted) {
  const size_t part = PackedModel::part_columns(model.config);
  const Product query_key = to_query_key_value(weights.query_key, 0);
  multiply(to_query_key_value(weights.value, 2 * part), rows);
  if (wanted == TokenRows::all) {
    multiply(query_key, rows);
  } else {  // keys and values of all tokens, queries and everything after of the first token of each text
    const size_t panels = weights.query_key.panels();
    multiply(query_key, rows, panels / 2, panels);
    keep_first_rows();
    multiply(query_key, rows, 0, panels / 2);
  }
  attention(wanted);

  Product attention_output = {.weights = &weights.attention_output,
                              .x = workspace.context.rows(rows),
                              .x16 = workspace.context.rows16(rows),
                              .x8 = workspace.hidden8.rows(rows),
                              .epilogue = Epilogue::bias_residual,
                              .residual = workspace.hidden.rows(rows),
                              .y = workspace.sum.rows(rows)};
  if (model.precision == Precision::int8) quantize(attention_output.x16, attention_output.x8);
  multiply(attention_output, rows);
  norm(weights.attention_norm);

  for (size_t first = 0; first < rows; first += Workspace::kInnerTokens) {
    const size_t count = std::min(Workspace::kInnerTokens, rows - first);
    Product intermediate = {.weights = &weights.intermediate,
                            .x = workspace.hidden.rows(rows).rows_at(first, count),
                            .x16 = workspace.hidden16.rows(rows).rows_at(first, count),
                            .x8 = workspace.hidden8.rows(rows).rows_at(first, count),
                            .epilogue = Epilogue::bias_gelu,
                            .y = workspace.inner.rows(count),
                            .y16 = workspace.inner.rows16(count)};
    multiply(intermediate, count);
    Product output = {.weights = &weights.output,
                      .x = workspace.inner.rows(count),
                      .x16 = workspace.inner.rows16(count),
                      .x8 = workspace.inner8.rows(count),
                      .epilogue = Epilogue::bias_residual,
                      .residual = workspace.hidden.rows(rows).rows_at(first, count),
                      .y = workspace.sum.rows(rows).rows_at(first, count)};
    if (model.precision == Precision::int8) quantize(output.x16, output.x8);
    multiply(output, count);
  }
  norm(weights.output_norm);
}

// context = softmax(query key^T / sqrt(head_size)) value, for each text and head by itself
void Encoder::Pass::attention(TokenRows wanted) {
  const size_t tokens = batch.tokens();
  if (model.precision == Precision::f32) {
    attention(workspace.query_key_value.rows(tokens), workspace.context.rows(rows), ops.attention_f32, wanted);
  } else {
    attention(workspace.query_key_value.rows16(tokens), workspace.context.rows16(rows), ops.attention_bf16, wanted);
  }
}

template <typename T>
void Encoder::Pass::attention(View<T> query_key_value, View<T> context, void (*kernel)(const Attention<T>&),
                              TokenRows wanted) {
  const size_t heads = model.config.heads, head_size = model.config.head_size();
  const size_t part = PackedModel::part_columns(model.config);
  const float scale = static_cast<float>(1 / std::sqrt(static_cast<double>(head_size)));
  struct Block {
    size_t text, first_query, queries;
  };
  std::vector<Block> blocks;
  for (size_t text = 0; text < batch.texts(); text++) {
    const size_t start = batch.starts[text], tokens = batch.starts[text + 1] - start;
    if (wanted == TokenRows::first) {
      blocks.push_back({text, text, 1});
      continue;
    }
    for (size_t query = 0; query < tokens; query += kQueryBlock) {
      blocks.push_back({text, start + query, std::min(kQueryBlock, tokens - query)});
    }
  }
  parallel_for(blocks.size() * heads, [&](size_t index, int thread) {
    const auto [text, first_query, queries] = blocks[index / heads];
    const size_t start = batch.starts[text], tokens = batch.starts[text + 1] - start;
    const size_t column = index % heads * head_size;
    const View<T> all = query_key_value.rows_at(start, tokens);
    kernel({.queries = query_key_value.rows_at(first_query, queries).columns_at(column, head_size),
            .keys = all.columns_at(part + column, head_size),
            .values = all.columns_at(2 * part + column, head_size),
            .scale = scale,
            .out = context.rows_at(first_query, queries).columns_at(column, head_size),
            .scratch = scratch(thread)});
  });
}

// The first token's row of each text moves up to the text's own number.
void Encoder::Pass::keep_first_rows() {
  const size_t tokens = rows;
  const auto keep = [&](auto view) {
    if (!view.data) return;
    for (size_t text = 0; text < batch.texts(); text++) {
      std::copy_n(view.row(batch.starts[text]), view.columns, view.row(text));
    }
  };
  keep(workspace.hidden.rows(tokens));
  keep(workspace.hidden16.rows(tokens));
  const QuantizedRows quantized = workspace.hidden8.rows(tokens);
  keep(quantized.values);
  keep(View<float>{quantized.scales, tokens, 1, 1});
  keep(View<int32_t>{quantized.zeros, tokens, 1, 1});
  rows = batch.texts();
}

void Encoder::Pass::norm(const NormWeights& weights) {
  parallel_for(divide_up(rows, kRowsAtOnce), [&](size_t index, int) {
    const size_t row = index * kRowsAtOnce, count = std::min(kRowsAtOnce, rows - row);
    const View<float> hidden = workspace.hidden.rows(rows).rows_at(row, count);
    ops.layer_norm(workspace.sum.rows(rows).rows_at(row, count), weights.gain.data(), weights.bias.data(),
                   model.config.layer_norm_eps, hidden);
    if (needs_bf16(model.precision, model.config.hidden)) {
      ops.round_rows(hidden, workspace.hidden16.rows(rows).rows_at(row, count));
    }
    if (model.precision == Precision::int8) {
      ops.quantize_f32(hidden, workspace.hidden8.rows(rows).rows_at(row, count));
    }
  });
}

void Encoder::Pass::quantize(View<const BFloat16> from, const QuantizedRows& to) {
  parallel_for(divide_up(from.rows, kRowsAtOnce), [&](size_t index, int) {
    const size_t row = index * kRowsAtOnce, count = std::min(kRowsAtOnce, from.rows - row);
    ops.quantize_bf16(from.rows_at(row, count), to.rows_at(row, count));
  });
}

void Encoder::Pass::multiply(const Product& product, size_t product_rows, size_t first_panel, size_t last_panel) {
  const ProductTasks tasks(product_rows, first_panel, last_panel, team.threads());
  parallel_for(tasks.count(), [&](size_t index, int thread) { ops.multiply(product, tasks[index], scratch(thread)); });
}

void Encoder::Pass::parallel_for(size_t count, const std::function<void(size_t, int)>& body) {
  team.parallel_for(count, [&](size_t index, int thread) {
    const FloatMode mode;
    body(index, thread);
  });
}

}  // namespace bgem3
