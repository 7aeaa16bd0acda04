// The weights of an encoder in the kernels' order, under the names of the model's tensors. Start at pack_model.
#pragma once

#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "bgem3/model.h"
#include "kernels/matrix.h"
#include "kernels/precision.h"
#include "model/embedding_table.h"
#include "model/packed_file.h"
#include "model/weights.h"

namespace bgem3 {

// Of the sections of a packed model: their names, types and the bytes in them, the kernels' order of weights included.
// Raise it with every change of these: files of another layout are not read.
constexpr int kPackedLayout = 3;

// Gain and bias of a layer normalisation, [hidden] f32 each.
struct NormWeights {
  std::vector<float> gain, bias;
};

// Models narrower than this keep the value projection in bf16 where the precision is int8: its error goes into every
// token undamped, and is the larger the fewer products a sum has. A twelfth of the products then takes twice the time.
constexpr size_t kLeastInt8Value = 512;
constexpr Precision value_precision(Precision precision, size_t hidden) {
  return precision == Precision::int8 && hidden < kLeastInt8Value ? Precision::bf16 : precision;
}

struct PackedLayer {
  PackedWeights query_key;         // [2 * part_columns, hidden]: one product for both
  PackedWeights value;             // [part_columns, hidden]
  PackedWeights attention_output;  // [hidden, hidden]
  NormWeights attention_norm;
  PackedWeights intermediate;  // [ffn, hidden]
  PackedWeights output;        // [hidden, ffn]
  NormWeights output_norm;
};

// Movable; copies share the weights. The tables are read row by row from the packed file, or the model's own.
struct PackedModel {
  // Columns of queries, of keys and of values, in weights and results; those from `hidden` on are empty.
  static size_t part_columns(const ModelConfig& config) { return round_up(config.hidden, kPanelColumns); }

  ModelConfig config;
  Precision precision = Precision::f32;
  EmbeddingTable word_embeddings;      // [vocab, hidden]
  EmbeddingTable position_embeddings;  // [position_rows, hidden]
  std::vector<float> token_type_row;   // [hidden]: row 0, added to every token
  NormWeights embedding_norm;
  std::vector<PackedLayer> layers;
  std::vector<float> sparse_head;            // [hidden + 1]: weight and bias; empty where the model has none
  PackedWeights multi_head;                  // [hidden, hidden]; no columns where the model has none
  std::shared_ptr<const Sections> sections;  // what the layers' weights point into

  size_t weights_bytes() const;  // of the layers' and heads' matrices
  Outputs outputs() const { return {.sparse = !sparse_head.empty(), .multi = multi_head.columns > 0}; }
};

// Packs the weights of load_weights(config) for a precision into memory, every one of them looked at. In f32, matrices
// whose values are all exact in half precision are stored so. Throws ModelLoadingError (corrupt) with the tensor's name
// for a value that is not finite.
// Cost: reads all weights, with all threads of the team; memory of the layers' packed weights, and some 30 MB.
PackedModel pack_model(const ModelConfig& config, const Weights& weights, Precision precision, Team& team);

// The same into a file, with the embedding tables, in half precision where that is exact. Takes some 30 MB of memory.
void pack_model(const Weights& weights, Precision precision, Team& team, PackedFileWriter& file);

// The model in an opened packed file. Throws ModelLoadingError (corrupt) if a section is missing or does not fit.
// Cost: microseconds; weights are read when a pass first needs them.
PackedModel open_packed_model(const ModelConfig& config, Precision precision, std::shared_ptr<const Sections> sections);

}  // namespace bgem3
