// The weights of an encoder in the kernels' order, under the names of the model's tensors. Start at pack_model.
#pragma once

#include <deque>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "bgem3/model.h"
#include "kernels/matrix.h"
#include "kernels/precision.h"
#include "model/weights.h"

namespace bgem3 {

// Gain and bias of a layer normalisation, [hidden] f32 each.
struct NormWeights {
  std::vector<float> gain, bias;
};

struct PackedLayer {
  // One product for the three: [3 * part, hidden], each part a whole number of panels (PackedModel::part_columns).
  PackedWeights query_key_value;
  PackedWeights attention_output;  // [hidden, hidden]
  NormWeights attention_norm;
  PackedWeights intermediate;  // [ffn, hidden]
  PackedWeights output;        // [hidden, ffn]
  NormWeights output_norm;
};

// Movable. The embedding tables stay where they are, in the model's mapped files, which this object keeps open: a pass
// reads a few rows of them.
struct PackedModel {
  // Columns of queries, of keys and of values in query_key_value and its result; those from `hidden` on are empty.
  static size_t part_columns(const ModelConfig& config) { return round_up(config.hidden, kPanelColumns); }

  ModelConfig config;
  Precision precision = Precision::f32;
  Tensor word_embeddings;             // [vocab, hidden]
  Tensor position_embeddings;         // [position_rows, hidden]
  std::vector<float> token_type_row;  // [hidden]: row 0, added to every token
  NormWeights embedding_norm;
  std::vector<PackedLayer> layers;
  std::vector<MappedFile> files;
  std::deque<AlignedBuffer<std::byte>> storage;  // what the layers' weights point into
};

// Packs the weights of load_weights(config) for a precision, every one of them looked at. In f32, matrices whose values
// are exact in half precision are stored so.
// Throws ModelLoadingError (corrupt) with the tensor's name for a value that is not finite.
// Cost: reads all weights once, with all threads of the team; memory of the layers' packed weights.
PackedModel pack_model(const ModelConfig& config, Weights weights, Precision precision, Team& team);

}  // namespace bgem3
