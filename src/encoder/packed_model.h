// The weights of an encoder in the kernels' order, under the names of the model's tensors. Start at pack_model.
#pragma once

#include <vector>

#include "base/thread_pool.h"
#include "bgem3/model.h"
#include "kernels/matrix.h"
#include "model/weights.h"

namespace bgem3 {

// Gain and bias of a layer normalisation, [hidden] f32 each.
struct NormWeights {
  std::vector<float> gain, bias;
};

struct PackedLayer {
  PackedWeights query_key_value;   // [3 * hidden, hidden]: one product for the three
  PackedWeights attention_output;  // [hidden, hidden]
  NormWeights attention_norm;
  PackedWeights intermediate;  // [ffn, hidden]
  PackedWeights output;        // [hidden, ffn]
  NormWeights output_norm;
};

// Movable. The embedding tables stay where they are, in the model's mapped files, which this object keeps open: a pass
// reads a few rows of them.
struct PackedModel {
  ModelConfig config;
  Tensor word_embeddings;             // [vocab, hidden]
  Tensor position_embeddings;         // [position_rows, hidden]
  std::vector<float> token_type_row;  // [hidden]: row 0, added to every token
  NormWeights embedding_norm;
  std::vector<PackedLayer> layers;
  std::vector<MappedFile> files;
};

// Widens and packs the weights of load_weights(config), every one of them looked at.
// Throws ModelLoadingError (corrupt) with the tensor's name for a value that is not finite.
// Cost: reads all weights once, with all threads of the pool; memory of the layers' weights in f32.
PackedModel pack_model(const ModelConfig& config, Weights weights, ThreadPool& pool);

}  // namespace bgem3
