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

// The buffers of a pass, [tokens, ...] f32 each, allocated once for `tokens` and `longest` (the tokens of the longest
// text).
struct Workspace {
  Workspace(const ModelConfig& config, size_t tokens, size_t longest, int threads);
  bool fits(const Batch& batch) const { return batch.tokens() <= tokens && batch.longest() <= longest; }

  size_t tokens, longest;
  Matrix hidden;                                // [tokens, hidden]: what goes from layer to layer
  Matrix query_key_value;                       // [tokens, 3 * hidden]
  Matrix context;                               // [tokens, hidden]: output of attention
  Matrix sum;                                   // [tokens, hidden]: block output plus residual, before its norm
  Matrix inner;                                 // [tokens, ffn]
  std::vector<AlignedBuffer<float>> attention;  // one for each thread
};

// One loaded encoder. forward() may be called by one thread at a time, since it uses the pool and the workspace.
class Encoder {
 public:
  // `ops` and `pool` must outlive the encoder.
  Encoder(PackedModel model, const Ops& ops, ThreadPool& pool);

  // The last hidden state of every token: [batch.tokens(), hidden] f32, in workspace.hidden, valid until the next call.
  // A text's rows have the same bits whatever else is in the batch and however many threads the pool has.
  // Requires: workspace.fits(batch), every id below vocab, every text from 1 to max_tokens tokens.
  // Does not allocate buffers. Cost: 2 * (4 hidden^2 + 2 hidden ffn) * layers operations a token, plus
  // 4 * hidden * layers for each pair of tokens of a text.
  // Source: Vaswani et al., Attention Is All You Need (2017), section 3.1; post-norm, as BERT and XLM-RoBERTa have it.
  View<const float> forward(const Batch& batch, Workspace& workspace) const;

 private:
  void embed(const Batch& batch, Workspace& workspace) const;
  void layer(const PackedLayer& weights, const Batch& batch, Workspace& workspace) const;
  void attention(const Batch& batch, Workspace& workspace) const;
  void multiply(const Product& product) const;
  void layer_norm(View<const float> x, const NormWeights& weights, View<float> y) const;
  // pool_.parallel_for with the kernels' floating-point mode.
  void parallel_for(size_t count, const std::function<void(size_t index, int thread)>& body) const;

  PackedModel model_;
  const Ops& ops_;
  ThreadPool& pool_;
};

}  // namespace bgem3
