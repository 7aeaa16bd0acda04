#include "kernels/matrix.h"

#include <algorithm>

#include "base/error.h"

namespace bgem3 {

PackedWeights::PackedWeights(size_t columns, size_t depth)
    : columns_(columns), depth_(depth), values_(panels() * depth * kPanelColumns), bias_(panels() * kPanelColumns) {}

void PackedWeights::pack(size_t first_column, View<const float> w, std::span<const float> bias) {
  BGEM3_CHECK(w.columns == depth_ && bias.size() == w.rows && first_column + w.rows <= columns_);
  for (size_t row = 0; row < w.rows; row++) {
    const size_t column = first_column + row;
    const float* from = w.row(row);
    float* to = values_.data() + column / kPanelColumns * depth_ * kPanelColumns + column % kPanelColumns;
    for (size_t k = 0; k < depth_; k++) to[k * kPanelColumns] = from[k];
  }
  std::copy(bias.begin(), bias.end(), bias_.data() + first_column);
}

}  // namespace bgem3
