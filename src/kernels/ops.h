// The operations of an encoder and the table of their kernels, one table an instruction set. Start at Ops.
// Every kernel gives the same bits on every instruction set, and for a row the same bits whatever rows stand around it:
// the order of every sum is fixed (design: docs/numerics.md). Kernels do not allocate and do not throw. They may be
// called from many threads at once as long as what they write is distinct.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/matrix.h"

namespace bgem3 {

// What is done to a product before it is stored.
enum class Epilogue {
  bias,           // y = x w^T + bias
  bias_gelu,      // y = gelu(x w^T + bias), gelu(v) = v / 2 * (1 + erf(v / sqrt(2)))
  bias_residual,  // y = x w^T + bias + residual
};

// One product of a pass; a task computes part of its rows and panels.
struct Product {
  View<const float> x;                     // [rows, depth]
  const PackedWeights* weights = nullptr;  // [columns, depth]
  Epilogue epilogue = Epilogue::bias;
  View<const float> residual;  // [rows, columns], for bias_residual; may not be y
  View<float> y;               // [rows, columns]; whole panels are written: stride >= columns rounded up to 32
};

// Attention of a block of queries of one text and head to all its keys.
struct Attention {
  View<const float> queries;  // [queries, head_size]
  View<const float> keys;     // [tokens, head_size]
  View<const float> values;   // [tokens, head_size]
  float scale = 1;            // of the scores: 1 / sqrt(head_size)
  View<float> out;            // [queries, head_size]
  std::span<float> scratch;   // attention_scratch(tokens, head_size) values, 64-byte aligned
};

// Keys of one softmax tile. Tiles lie at fixed offsets from the text's first token: part of the definition of the
// result.
constexpr size_t kKeyTile = 256;
// Queries that are worth one call (they share the packing of the keys).
constexpr size_t kQueryBlock = 256;

// Queries whose scores to one tile of keys stay in the L1 and L2 cache.
constexpr size_t kQueryRows = 48;
// Scratch values of one attention call.
size_t attention_scratch(size_t tokens, size_t head_size);

struct Ops {
  std::string_view name;  // "scalar", "avx2", "avx512"

  // Rows [first_row, last_row) and panels [first_panel, last_panel) of a product. Each element is, for every block of
  // depth_block(depth) along depth, one chain of fused multiply-adds over ascending k; block sums are added in
  // ascending order.
  void (*multiply)(const Product& product, size_t first_row, size_t last_row, size_t first_panel, size_t last_panel);

  // out = softmax(queries keys^T * scale) values, with a running maximum over key tiles. Scores are sums of blocks of
  // depth_block(head_size), the weighted sums of blocks of kDepthBlock keys.
  void (*attention)(const Attention& attention);

  // Each row of x to mean 0 and variance 1, times gain, plus bias: [rows, columns] -> y (may be x). eps is added to the
  // variance. Ba, Kiros, Hinton: Layer Normalization (2016).
  void (*layer_norm)(View<const float> x, const float* gain, const float* bias, float eps, View<float> y);

  // y = a + b + c, in this order, for rows of `columns` values.
  void (*add_rows)(const float* a, const float* b, const float* c, size_t columns, float* y);

  // The mean of rows [rows, columns] -> y [columns]: compensated (Kahan) sums over ascending rows, then one
  // division, so that the error does not grow with the rows.
  void (*mean_rows)(View<const float> x, float* y);

  // x / max(|x|, 1e-12) in place, as torch's F.normalize. [columns]
  void (*normalize_row)(float* x, size_t columns);
};

// The names of the instruction sets this machine has, slowest first: "scalar" always.
std::vector<std::string> present_isas();

// The kernels of an instruction set, "auto" for the last present one. Throws InvalidInputError that lists the valid
// names for an unknown or absent one. The table lives as long as the program.
const Ops& ops_for(std::string_view isa);

extern const Ops kScalarOps;
#if defined(__x86_64__)
extern const Ops kAvx2Ops;
extern const Ops kAvx512Ops;
#endif

}  // namespace bgem3
