// The forward pass of an XLM-RoBERTa or BERT encoder: token ids to hidden states. Start at Encoder::forward.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "encoder/packed_model.h"
#include "kernels/matrix.h"
#include "kernels/ops.h"

namespace bgem3 {

// The texts of one pass, end to end, without padding.
struct Batch {
  std::vector<uint32_t> ids;         // [tokens]
  std::vector<size_t> starts = {0};  // [texts + 1]: text i is ids[starts[i]] .. ids[starts[i + 1]]

  void add(std::span<const uint32_t> text);
  size_t texts() const { return starts.size() - 1; }
  size_t tokens() const { return ids.size(); }
  size_t longest() const;
};

// The token vectors that a pass answers.
enum class TokenRows {
  all,    // [tokens, hidden]
  first,  // [texts, hidden]: of each text's first token. The last layer computes no others
};

// The buffers of a pass, [tokens, ...] each, allocated once for `tokens` and `longest` (the tokens of the longest text)
// and for a team of up to `threads` threads.
struct Workspace {
  Workspace(const ModelConfig& config, Precision precision, size_t tokens, size_t longest, int threads);
  // The memory that the constructor takes.
  static size_t bytes(const ModelConfig& config, Precision precision, size_t tokens, size_t longest, int threads);
  bool fits(const Batch& batch) const { return batch.tokens() <= tokens && batch.longest() <= longest; }

  // Tokens of which the feed-forward block holds the inner values at a time.
  static constexpr size_t kInnerTokens = 1024;

  // A matrix in one of two types: f32, or bf16 where the precision is less.
  struct Values {
    Values(Precision precision, size_t rows, size_t columns);
    View<float> rows(size_t rows) { return f32.rows(rows); }
    View<BFloat16> rows16(size_t rows) { return bf16.rows(rows); }
    static size_t bytes(Precision precision, size_t rows, size_t columns);

   private:
    Matrix<float> f32;
    Matrix<BFloat16> bf16;
  };
  // A matrix of 8-bit rows; empty but for int8.
  struct Quantized {
    Quantized(Precision precision, size_t rows, size_t columns);
    QuantizedRows rows(size_t rows) { return {values.rows(rows), scales.data(), zeros.data()}; }
    static size_t bytes(Precision precision, size_t rows, size_t columns);

   private:
    Matrix<uint8_t> values;
    AlignedBuffer<float> scales;
    AlignedBuffer<int32_t> zeros;
  };

  size_t tokens, longest;
  Matrix<float> hidden;       // [tokens, hidden]: what goes from layer to layer
  Matrix<BFloat16> hidden16;  // the same rounded, for weights of bf16
  Quantized hidden8;          // the same quantised, for int8; between attention and its output product, context
  Matrix<float> sum;          // [tokens, hidden]: block output plus residual, before its norm
  Values query_key_value;     // [tokens, 3 * columns of a part]
  Values context;             // [tokens, hidden]: output of attention
  Values inner;               // [up to kInnerTokens, ffn]
  Quantized inner8;           // the same quantised, for int8
  std::vector<AlignedBuffer<float>> scratch;  // one for each thread
};

// One loaded encoder. Several threads may call forward() at the same time, each with its own workspace and team.
class Encoder {
 public:
  // `ops` must outlive the encoder.
  Encoder(PackedModel model, const Ops& ops);

  // The last hidden states, f32, in the workspace, valid until its next pass.
  // A text's rows have the same bits whatever else is in the batch and however many threads the team has.
  // Requires: workspace.fits(batch), every id below vocab, every text from 1 to max_tokens tokens.
  // Does not allocate buffers. Cost: 2 * (4 hidden^2 + 2 hidden ffn) * layers operations a token, plus
  // 4 * hidden * layers for each pair of tokens of a text.
  // Source: Vaswani et al., Attention Is All You Need (2017), section 3.1; post-norm, as BERT and XLM-RoBERTa have it.
  View<const float> forward(const Batch& batch, Workspace& workspace, Team& team,
                            TokenRows wanted = TokenRows::all) const;

  // What the heads make of the hidden states that a pass of all rows left in the workspace; for models that have the
  // head. The same promise of bits. out: [tokens], hidden w + bias.
  void token_weights(const Batch& batch, Workspace& workspace, Team& team, std::span<float> out) const;
  // [tokens, columns]: the first columns of hidden w^T + bias, in the workspace, valid until its next pass.
  View<const float> token_vectors(const Batch& batch, Workspace& workspace, Team& team, size_t columns) const;

 private:
  struct Pass;

  PackedModel model_;
  const Ops& ops_;
};

}  // namespace bgem3
