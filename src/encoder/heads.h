// From the token vectors of a pass to one vector a text. Start at dense_head.
#pragma once

#include "bgem3/model.h"
#include "encoder/encoder.h"
#include "kernels/matrix.h"
#include "kernels/ops.h"

namespace bgem3 {

// The dense vector of each text of a batch: its pooled hidden states, the first out.columns values of them, then scaled
// to length one if `normalize`.
//   hidden: f32, all rows for mean, the first of each text for cls (TokenRows); out: [batch.texts(), 1..hidden] f32.
// Does not fail: a value that is not finite is handed on. Source: FlagEmbedding 1.4.0, encoder_only/m3/modeling.py
// (slice before normalising); sentence-transformers, models/Pooling.py (mean over all tokens).
void dense_head(View<const float> hidden, const Batch& batch, Pooling pooling, bool normalize, const Ops& ops,
                View<float> out);

}  // namespace bgem3
