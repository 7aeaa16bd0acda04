#include "kernels/matrix.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "kernels/precision.h"

namespace bgem3 {
namespace {

// Values of one column that lie together in a panel: one step of a kernel along depth.
size_t values_of_step(WeightType type) {
  switch (type) {
    case WeightType::f32:
    case WeightType::f16:
      return 1;
    case WeightType::bf16:
      return 2;
    case WeightType::s8:
      return 4;
  }
  return 1;
}

size_t bytes_of_value(WeightType type) { return type == WeightType::f32 ? 4 : type == WeightType::s8 ? 1 : 2; }

bool exact_in_f16(float value) {
  const float magnitude = std::fabs(value);
  if (magnitude >= 0x1p-14f) return magnitude <= 65504.0f && (std::bit_cast<uint32_t>(value) & 0x1FFFu) == 0;
  const float steps = magnitude * 0x1p24f;  // of the smallest denormal; exact
  return steps == static_cast<float>(static_cast<uint32_t>(steps)) && (value == 0 || steps >= 1);
}

// Stores convert(w.row(row)[k]) at its place in the panels.
template <typename Stored, typename Convert>
void store_panels(size_t depth, size_t step, size_t first_column, View<const float> w, std::byte* bytes,
                  Convert convert) {
  const size_t panel_values = round_up(depth, step) * kPanelColumns;
  auto* panels = reinterpret_cast<Stored*>(bytes);
  for (size_t first = 0; first < w.rows; first += kPanelColumns) {
    const size_t rows = std::min(kPanelColumns, w.rows - first);
    for (size_t k = 0; k < depth; k++) {
      for (size_t row = first; row < first + rows; row++) {
        const size_t column = first_column + row;
        panels[column / kPanelColumns * panel_values + k / step * step * kPanelColumns + column % kPanelColumns * step +
               k % step] = convert(row, w.row(row)[k]);
      }
    }
  }
}

}  // namespace

uint16_t to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  const float magnitude = std::fabs(value);
  if (magnitude < 0x1p-14f) return static_cast<uint16_t>(sign | static_cast<uint32_t>(magnitude * 0x1p24f));
  return static_cast<uint16_t>(sign | ((bits & 0x7FFFFFFFu) - (112u << 23)) >> 13);
}

size_t PackedWeights::panel_bytes() const {
  return round_up(depth, values_of_step(type)) * kPanelColumns * bytes_of_value(type);
}

const float* PackedWeights::bias() const { return reinterpret_cast<const float*>(panel(panels())); }
const float* PackedWeights::scales() const { return bias() + panels() * kPanelColumns; }
const int32_t* PackedWeights::sums() const {
  return reinterpret_cast<const int32_t*>(scales() + panels() * kPanelColumns);
}

size_t packed_bytes(WeightType type, size_t columns, size_t depth) {
  const PackedWeights weights{type, columns, depth, nullptr};
  const size_t arrays = type == WeightType::s8 ? 3 : 1;
  return weights.panels() * (weights.panel_bytes() + arrays * kPanelColumns * sizeof(float));
}

void pack_weights(WeightType type, size_t columns, size_t depth, size_t first_column, View<const float> w,
                  std::span<const float> bias, std::byte* bytes) {
  BGEM3_CHECK(w.columns == depth && bias.size() == w.rows && first_column + w.rows <= columns);
  const PackedWeights weights{type, columns, depth, bytes};
  std::copy(bias.begin(), bias.end(), const_cast<float*>(weights.bias()) + first_column);
  const size_t step = values_of_step(type);
  switch (type) {
    case WeightType::f32:
      return store_panels<float>(depth, step, first_column, w, bytes, [](size_t, float value) { return value; });
    case WeightType::f16:
      return store_panels<uint16_t>(depth, step, first_column, w, bytes,
                                    [](size_t, float value) { return to_f16(value); });
    case WeightType::bf16:
      return store_panels<BFloat16>(depth, step, first_column, w, bytes,
                                    [](size_t, float value) { return BFloat16(value); });
    case WeightType::s8: {
      auto* scales = const_cast<float*>(weights.scales()) + first_column;
      auto* sums = const_cast<int32_t*>(weights.sums()) + first_column;
      for (size_t row = 0; row < w.rows; row++) {
        float largest = 0;
        for (size_t k = 0; k < depth; k++) largest = std::max(largest, std::fabs(w.row(row)[k]));
        scales[row] = largest >= 127 * 0x1p-126f ? largest / 127 : 1;  // a column of zeros, or of what rounds to them
        sums[row] = 0;
      }
      return store_panels<int8_t>(depth, step, first_column, w, bytes, [&](size_t row, float value) {
        const float steps = std::clamp(std::nearbyint(value / scales[row]), -127.0f, 127.0f);
        sums[row] += static_cast<int32_t>(steps);
        return static_cast<int8_t>(steps);
      });
    }
  }
}

bool exact_in_f16(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return exact_in_f16(value); });
}

}  // namespace bgem3
