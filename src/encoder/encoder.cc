#include "encoder/encoder.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/float_mode.h"

namespace bgem3 {
namespace {

// Rows of one task of an operation on rows; and rows of one task of a product, enough for the panels to pay.
constexpr size_t kRowsAtOnce = 32;
constexpr size_t kProductRows = 96;
// Tasks a thread should get of a product, so that one thread held up does not hold up all.
constexpr size_t kTasksPerThread = 16;

size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

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

Workspace::Workspace(const ModelConfig& config, size_t tokens_, size_t longest_, int threads)
    : tokens(tokens_),
      longest(longest_),
      hidden(tokens, config.hidden),
      query_key_value(tokens, 3 * config.hidden),
      context(tokens, config.hidden),
      sum(tokens, config.hidden),
      inner(tokens, config.ffn) {
  for (int i = 0; i < threads; i++) attention.emplace_back(attention_scratch(longest, config.head_size()));
}

Encoder::Encoder(PackedModel model, const Ops& ops, ThreadPool& pool)
    : model_(std::move(model)), ops_(ops), pool_(pool) {}

View<const float> Encoder::forward(const Batch& batch, Workspace& workspace) const {
  BGEM3_CHECK(workspace.fits(batch) && workspace.attention.size() >= static_cast<size_t>(pool_.threads()));
  embed(batch, workspace);
  for (const PackedLayer& weights : model_.layers) layer(weights, batch, workspace);
  return workspace.hidden.rows(batch.tokens());
}

// hidden = norm(word + token type + position)
void Encoder::embed(const Batch& batch, Workspace& workspace) const {
  const ModelConfig& config = model_.config;
  const View<float> sum = workspace.sum.rows(batch.tokens());
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
      convert_to_f32(model_.word_embeddings, id * config.hidden, word);
      convert_to_f32(model_.position_embeddings, row * config.hidden, position);
      ops_.add_rows(word.data(), model_.token_type_row.data(), position.data(), config.hidden, sum.row(token));
    }
  });
  layer_norm(sum, model_.embedding_norm, workspace.hidden.rows(batch.tokens()));
}

void Encoder::layer(const PackedLayer& weights, const Batch& batch, Workspace& workspace) const {
  const size_t tokens = batch.tokens();
  const View<float> hidden = workspace.hidden.rows(tokens);
  const View<float> query_key_value = workspace.query_key_value.rows(tokens);
  const View<float> context = workspace.context.rows(tokens);
  const View<float> sum = workspace.sum.rows(tokens);
  const View<float> inner = workspace.inner.rows(tokens);

  multiply({hidden, &weights.query_key_value, Epilogue::bias, {}, query_key_value});
  attention(batch, workspace);
  multiply({context, &weights.attention_output, Epilogue::bias_residual, hidden, sum});
  layer_norm(sum, weights.attention_norm, hidden);

  multiply({hidden, &weights.intermediate, Epilogue::bias_gelu, {}, inner});
  multiply({inner, &weights.output, Epilogue::bias_residual, hidden, sum});
  layer_norm(sum, weights.output_norm, hidden);
}

// context = softmax(query key^T / sqrt(head_size)) value, for each text and head by itself
void Encoder::attention(const Batch& batch, Workspace& workspace) const {
  const size_t hidden = model_.config.hidden, head_size = model_.config.head_size();
  const float scale = static_cast<float>(1 / std::sqrt(static_cast<double>(head_size)));
  struct Block {
    size_t text, first_query;
  };
  std::vector<Block> blocks;
  for (size_t text = 0; text < batch.texts(); text++) {
    const size_t tokens = batch.starts[text + 1] - batch.starts[text];
    for (size_t query = 0; query < tokens; query += kQueryBlock) blocks.push_back({text, query});
  }
  parallel_for(blocks.size() * model_.config.heads, [&](size_t index, int thread) {
    const auto [text, first_query] = blocks[index / model_.config.heads];
    const size_t start = batch.starts[text], tokens = batch.starts[text + 1] - start;
    const size_t column = index % model_.config.heads * head_size;
    const size_t queries = std::min(kQueryBlock, tokens - first_query);
    const View<float> all = workspace.query_key_value.rows(batch.tokens()).rows_at(start, tokens);
    AlignedBuffer<float>& scratch = workspace.attention[static_cast<size_t>(thread)];
    ops_.attention(
        {.queries = all.columns_at(column, head_size).rows_at(first_query, queries),
         .keys = all.columns_at(hidden + column, head_size),
         .values = all.columns_at(2 * hidden + column, head_size),
         .scale = scale,
         .out =
             workspace.context.rows(batch.tokens()).columns_at(column, head_size).rows_at(start + first_query, queries),
         .scratch = {scratch.data(), scratch.size()}});
  });
}

// Cut into tasks of some rows by some panels: panels alone where the rows are few, since then the weights are the work.
void Encoder::multiply(const Product& product) const {
  const size_t rows = product.x.rows, panels = product.weights->panels();
  const size_t row_blocks = divide_up(rows, kProductRows);
  const size_t wanted_tasks = kTasksPerThread * static_cast<size_t>(pool_.threads());
  const size_t panel_blocks = std::clamp<size_t>(divide_up(wanted_tasks, row_blocks), 1, panels);
  parallel_for(row_blocks * panel_blocks, [&](size_t index, int) {
    const size_t row = index / panel_blocks * kProductRows, block = index % panel_blocks;
    ops_.multiply(product, row, std::min(row + kProductRows, rows), panels * block / panel_blocks,
                  panels * (block + 1) / panel_blocks);
  });
}

void Encoder::layer_norm(View<const float> x, const NormWeights& weights, View<float> y) const {
  parallel_for(divide_up(x.rows, kRowsAtOnce), [&](size_t index, int) {
    const size_t row = index * kRowsAtOnce, rows = std::min(kRowsAtOnce, x.rows - row);
    ops_.layer_norm(x.rows_at(row, rows), weights.gain.data(), weights.bias.data(), model_.config.layer_norm_eps,
                    y.rows_at(row, rows));
  });
}

void Encoder::parallel_for(size_t count, const std::function<void(size_t, int)>& body) const {
  pool_.parallel_for(static_cast<int>(count), [&](int index, int thread) {
    const FloatMode mode;
    body(static_cast<size_t>(index), thread);
  });
}

}  // namespace bgem3
