// Matrices: views of rows, and weights in the order the kernels read. Start at View.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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
// The same for bf16, whose factors are rounded far more than any sum.
constexpr size_t kRoundedDepthBlock = 1024;
constexpr size_t depth_block(size_t depth) { return depth < 512 ? kShortDepthBlock : kDepthBlock; }

constexpr size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// A row of `columns` values of type T starts this many values after the one before. Whole panels can be stored, and
// rows do not lie a multiple of 4 KiB apart, where they would fight for one set of the L1 cache.
template <typename T = float>
constexpr size_t row_stride(size_t columns) {
  return round_up(columns, std::max(kPanelColumns, 64 / sizeof(T))) + 64 / sizeof(T);
}

// A matrix that owns its values, rows row_stride(columns) apart, 64-byte aligned, zero at first.
template <typename T = float>
class Matrix {
 public:
  Matrix() = default;
  Matrix(size_t rows, size_t columns) : columns_(columns), values_(rows * row_stride<T>(columns)) {}
  // The first `rows` rows.
  View<T> rows(size_t rows) { return {values_.data(), rows, columns_, row_stride<T>(columns_)}; }
  static size_t bytes(size_t rows, size_t columns) { return rows * row_stride<T>(columns) * sizeof(T); }

 private:
  size_t columns_ = 0;
  AlignedBuffer<T> values_;
};

// How the values of packed weights are stored. A panel is 32 columns; steps of depth that do not exist are zero.
enum class WeightType : uint8_t {
  f32,   // panels [depth][32]
  f16,   // panels [depth][32]: f32 weights that are exact in half precision, the same result from half the memory
  bf16,  // panels [depth / 2][32][2], rounded
  s8,    // panels [depth / 4][32][4], rounded to multiples of the column's scale, largest |w| / 127
};

// Weights w [columns, depth] and bias [columns] of y = x w^T + bias, in the order the kernels read them: a view.
// The bytes: panels; then bias f32, and for s8 the scales f32 and the sums of the stored weights s32, each
// [panels * 32], zero past the end. The arrays start at multiples of 64 bytes from the first byte.
struct PackedWeights {
  WeightType type = WeightType::f32;
  size_t columns = 0, depth = 0;
  const std::byte* bytes = nullptr;  // packed_bytes(type, columns, depth), 64-byte aligned

  size_t panels() const { return round_up(columns, kPanelColumns) / kPanelColumns; }
  size_t panel_bytes() const;
  const std::byte* panel(size_t index) const { return bytes + index * panel_bytes(); }
  const float* bias() const;
  const float* scales() const;  // s8 only
  const int32_t* sums() const;  // s8 only
};

size_t packed_bytes(WeightType type, size_t columns, size_t depth);

// Writes rows [first_column, first_column + w.rows) of w, and their bias, into the bytes of packed weights of that type
// and size, which were zero before. For f16 every value must pass exact_in_f16(). Fastest in whole panels. Thread-safe
// for distinct panels.
void pack_weights(WeightType type, size_t columns, size_t depth, size_t first_column, View<const float> w,
                  std::span<const float> bias, std::byte* bytes);

// The bits of a value in half precision, which must hold it exactly.
uint16_t to_f16(float value);

// True if half precision holds every value exactly.
bool exact_in_f16(std::span<const float> values);

// A type, a size and the bytes for it.
class OwnedWeights {
 public:
  OwnedWeights(WeightType type, size_t columns, size_t depth)
      : type_(type), columns_(columns), depth_(depth), bytes_(packed_bytes(type, columns, depth)) {}
  void pack(size_t first_column, View<const float> w, std::span<const float> bias) {
    pack_weights(type_, columns_, depth_, first_column, w, bias, bytes_.data());
  }
  PackedWeights view() const { return {type_, columns_, depth_, bytes_.data()}; }

 private:
  WeightType type_;
  size_t columns_, depth_;
  AlignedBuffer<std::byte> bytes_;
};

}  // namespace bgem3
