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
#include "kernels/precision.h"

namespace bgem3 {

// What is done to a product before it is stored.
enum class Epilogue {
  bias,           // y = x w^T + bias
  bias_gelu,      // y = gelu(x w^T + bias), gelu(v) = v / 2 * (1 + erf(v / sqrt(2)))
  bias_residual,  // y = x w^T + bias + residual
};

// Rows of 8-bit numbers: value = scale * (q - zero), with a scale and a zero point for each row.
struct QuantizedRows {
  View<uint8_t> values;      // [rows, columns]; room for whole vectors of 16
  float* scales = nullptr;   // [rows]
  int32_t* zeros = nullptr;  // [rows], 0 to 255

  QuantizedRows rows_at(size_t first, size_t count) const {
    return {values.rows_at(first, count), scales + first, zeros + first};
  }
};

// One product of a pass; a task computes part of its rows and panels.
struct Product {
  const PackedWeights* weights = nullptr;  // [columns, depth]
  // [rows, depth]: the one that the type of the weights asks for.
  View<const float> x = {};       // f32, f16
  View<const BFloat16> x16 = {};  // bf16
  QuantizedRows x8 = {};          // s8
  Epilogue epilogue = Epilogue::bias;
  View<const float> residual = {};  // [rows, columns], for bias_residual; may not be y
  // [rows, columns]: one of them. Whole panels are written: stride >= columns rounded up to 32.
  View<float> y = {};
  View<BFloat16> y16 = {};  // not for weights of f32 and f16
};

// Attention of a block of queries of one text and head to all its keys, in f32 or bf16 (T).
template <typename T>
struct Attention {
  View<const T> queries;     // [queries, head_size]
  View<const T> keys;        // [tokens, head_size]
  View<const T> values;      // [tokens, head_size]
  float scale = 1;           // of the scores: 1 / sqrt(head_size)
  View<T> out;               // [queries, head_size]
  std::span<float> scratch;  // AttentionScratch::size values, 64-byte aligned
};

// Keys of one softmax tile. Tiles lie at fixed offsets from the text's first token: part of the definition of the
// result.
constexpr size_t kKeyTile = 256;
// Queries that are worth one call (they share the packing of the keys).
constexpr size_t kQueryBlock = 1024;

// Queries whose scores to one tile of keys stay in the L1 and L2 cache.
constexpr size_t kQueryRows = 24;
// The parts of an attention call's scratch memory.
template <typename T>
struct AttentionScratch {
  T* keys;             // panels of 32 keys
  T* values;           // panels of 32 columns
  View<float> scores;  // [kQueryRows, kKeyTile]
  View<T> weights;     // the same after softmax; for f32 in the place of the scores
  View<float> sums;    // [kQueryRows, head_size]

  size_t size;  // f32 values that all of it takes

  // Without memory it only counts.
  AttentionScratch(std::span<float> memory, size_t tokens, size_t head_size);
};
// Scratch values of one call of multiply.
constexpr size_t kProductScratch = (512 << 10) / sizeof(float);

// A product cut into tasks for a team: blocks of rows, each with some panels.
class ProductTasks {
 public:
  // `rows` and panels [first_panel, last_panel) for `threads` threads.
  ProductTasks(size_t rows, size_t first_panel, size_t last_panel, int threads);
  size_t count() const { return row_blocks_ * panel_blocks_; }

  struct Task {
    size_t first_row, last_row, first_panel, last_panel;
  };
  Task operator[](size_t index) const;

 private:
  size_t rows_, first_panel_, panels_, row_blocks_, panel_blocks_;
};

struct Ops {
  std::string_view name;  // "scalar", "avx2", "avx512", "avx512_vnni", "avx512_bf16"
  bool has_bf16;  // instructions for products of bf16; otherwise they are computed to the same bits at f32 speed

  // The rows and panels of one task of a product. Each element is, for every block
  // along depth, one chain of fused multiply-adds over ascending k; block sums are added in ascending order. A block is
  // depth_block(depth) for weights of f32 and f16 and kRoundedDepthBlock for bf16, where the chain takes the second of
  // two neighbours before the first and denormal numbers are zero. Sums of s8 weights are exact. `scratch`:
  // kProductScratch values, 64-byte aligned.
  void (*multiply)(const Product& product, const ProductTasks::Task& task, std::span<float> scratch);

  // largest[j] = the larger of itself and of the products of every row of x [rows, depth] with column j of the weights
  // (f32, their bias left out): summed as by multiply, so that the bits do not depend on the order of the rows. Not a
  // number if a product is not finite. largest: [panels * 32], 64-byte aligned.
  void (*largest_products)(View<const float> x, const PackedWeights& weights, float* largest);

  // out = softmax(queries keys^T * scale) values, with a running maximum over key tiles. Sums as in products: scores in
  // blocks of depth_block(head_size), weighted sums in blocks of kDepthBlock keys; kRoundedDepthBlock in bf16.
  void (*attention_f32)(const Attention<float>& attention);
  void (*attention_bf16)(const Attention<BFloat16>& attention);

  // Each row of x to mean 0 and variance 1, times gain, plus bias: [rows, columns] -> y (may be x). eps is added to the
  // variance. Ba, Kiros, Hinton: Layer Normalization (2016).
  void (*layer_norm)(View<const float> x, const float* gain, const float* bias, float eps, View<float> y);

  // Rows of x rounded to bf16 [rows, columns].
  void (*round_rows)(View<const float> x, View<BFloat16> y);

  // Rows of x in 8 bits [rows, columns]: the range of each, 0 included, in 255 steps. A row with a value that is not
  // finite gets a scale that is not.
  void (*quantize_f32)(View<const float> x, const QuantizedRows& y);
  void (*quantize_bf16)(View<const BFloat16> x, const QuantizedRows& y);

  // y = a + b + c, in this order, for rows of `columns` values.
  void (*add_rows)(const float* a, const float* b, const float* c, size_t columns, float* y);

  // The mean of rows [rows, columns] -> y [columns]: compensated (Kahan) sums over ascending rows, then one
  // division, so that the error does not grow with the rows.
  void (*mean_rows)(View<const float> x, float* y);

  // x / max(|x|, 1e-12) in place, as torch's F.normalize. [columns]
  void (*normalize_row)(float* x, size_t columns);

  // The sum of x[i] y[i]. [columns]
  float (*dot)(const float* x, const float* y, size_t columns);
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
extern const Ops kAvx512VnniOps;
extern const Ops kAvx512Bf16Ops;
#endif

}  // namespace bgem3
