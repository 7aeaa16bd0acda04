// Matrices of float32: views of rows, and weights in the order the kernels read. Start at View.
#pragma once

#include <cstddef>
#include <span>

#include "base/aligned_buffer.h"

namespace bgem3 {

// A matrix somebody else owns: `rows` rows of `columns` values, row i at data + i * stride. Stride counts values.
template <typename T>
struct View {
  T* data = nullptr;
  size_t rows = 0;
  size_t columns = 0;
  size_t stride = 0;

  T* row(size_t i) const { return data + i * stride; }
  // Columns [first, first + count) of every row.
  View columns_at(size_t first, size_t count) const { return {data + first, rows, count, stride}; }
  View rows_at(size_t first, size_t count) const { return {row(first), count, columns, stride}; }
  operator View<const T>() const { return {data, rows, columns, stride}; }
};

// Columns of one panel, the unit in which weights are stored and columns of a product are computed.
constexpr size_t kPanelColumns = 32;
// A product's sums leave the registers once in so many steps along depth, more often where the depth is small (there it
// costs little, and small models have the larger errors). Part of the definition of every result's bits, the same
// everywhere. Why these numbers: docs/decisions/0001-depth-blocks.md.
constexpr size_t kDepthBlock = 128;
constexpr size_t kShortDepthBlock = 32;
constexpr size_t depth_block(size_t depth) { return depth < 512 ? kShortDepthBlock : kDepthBlock; }

constexpr size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// A row of `columns` values starts this many values after the one before. Whole panels can be stored, and rows do not
// lie a multiple of 4 KiB apart, where they would fight for one set of the L1 cache.
constexpr size_t row_stride(size_t columns) { return round_up(columns, kPanelColumns) + 16; }

// A matrix that owns its values, rows row_stride(columns) apart, 64-byte aligned, zero at first.
class Matrix {
 public:
  Matrix() = default;
  Matrix(size_t rows, size_t columns) : columns_(columns), values_(rows * row_stride(columns)) {}
  // The first `rows` rows.
  View<float> rows(size_t rows) { return {values_.data(), rows, columns_, row_stride(columns_)}; }

 private:
  size_t columns_ = 0;
  AlignedBuffer<float> values_;
};

// Weights w [columns, depth] and bias [columns] of y = x w^T + bias, as the kernels read them.
//   panels: [panels][depth][32] f32; panel p holds columns 32 p .. 32 p + 31, columns past the end are zero.
//   bias: [panels * 32] f32, zero past the end.
class PackedWeights {
 public:
  PackedWeights() = default;
  PackedWeights(size_t columns, size_t depth);

  // Writes rows [first_column, first_column + w.rows) of w, and their bias. Thread-safe for distinct panels.
  void pack(size_t first_column, View<const float> w, std::span<const float> bias);

  size_t columns() const { return columns_; }
  size_t depth() const { return depth_; }
  size_t panels() const { return round_up(columns_, kPanelColumns) / kPanelColumns; }
  const float* panel(size_t index) const { return values_.data() + index * depth_ * kPanelColumns; }
  const float* bias() const { return bias_.data(); }

 private:
  size_t columns_ = 0;
  size_t depth_ = 0;
  AlignedBuffer<float> values_;
  AlignedBuffer<float> bias_;
};

}  // namespace bgem3
