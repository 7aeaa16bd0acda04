// From the token vectors of a pass to the outputs of its texts. Start at dense_head.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "bgem3/model.h"
#include "encoder/encoder.h"
#include "kernels/matrix.h"
#include "kernels/ops.h"

namespace bgem3 {

// The dense vector of each text of a batch: its pooled hidden states, the first out.columns values of them, then scaled
// to length one if `normalize`.
//   hidden: f32, all rows, or for cls the first of each text (TokenRows); out: [batch.texts(), 1..hidden] f32.
// Does not fail: a value that is not finite is handed on. Source: FlagEmbedding 1.4.0, encoder_only/m3/modeling.py
// (slice before normalising); sentence-transformers, models/Pooling.py (mean over all tokens).
void dense_head(View<const float> hidden, const Batch& batch, Pooling pooling, bool normalize, const Ops& ops,
                View<float> out);

// Rows [first, last).
struct RowRange {
  size_t first, last;
};

// The mean of each span's hidden states, the first out.columns values of them, then scaled to length one if
// `normalize`.
//   hidden: [tokens, hidden] f32; spans: at least one row each; out: [spans, 1..hidden] f32.
// Does not fail, as dense_head. Source: Günther et al., Late Chunking (2024), arXiv 2409.04701, algorithm 1.
void span_head(View<const float> hidden, std::span<const RowRange> spans, bool normalize, const Ops& ops, Team& team,
               View<float> out);

// The sparse output of one text: its ids with a weight above 0, but none of `dropped`, in the order of their first such
// token, and the largest weight of each. Answers how many there are.
//   token_weights: [ids.size()], of Encoder::token_weights; out_ids, out_weights: room for ids.size() values.
// Source: FlagEmbedding 1.4.0, inference/embedder/encoder_only/m3.py, _process_token_weights.
size_t sparse_head(std::span<const uint32_t> ids, std::span<const float> token_weights,
                   std::span<const uint32_t> dropped, std::span<uint32_t> out_ids, std::span<float> out_weights);

// The multi-vectors of the texts of a batch: those of all tokens but the first, each scaled to length one if
// `normalize`.
//   vectors: [tokens, columns] f32, of Encoder::token_vectors; out: for each text [its tokens - 1, columns],
//   contiguous.
// Does not fail, as dense_head. Source: FlagEmbedding 1.4.0, encoder_only/m3/modeling.py.
void multi_head(View<const float> vectors, const Batch& batch, bool normalize, const Ops& ops, Team& team,
                std::span<float* const> out);

}  // namespace bgem3
