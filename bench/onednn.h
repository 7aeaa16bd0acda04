// Matrix products of oneDNN, the yardstick of ours; the only place that knows whether it is there. Start at
// onednn_product.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bgem3::bench {

// y [rows, columns] = x [rows, depth] w^T without bias, with weights in oneDNN's own order, its fastest: f32 x f32 ->
// f32, bf16 x bf16 -> bf16, u8 x s8 -> s32.
struct OneDnnProduct {
  size_t weight_bytes = 0;
  std::function<void(const std::byte* weights)> run;  // weights: weight_bytes of values in any order, 64-byte aligned
};

// Empty if this build has no oneDNN, or oneDNN no such product on this machine. Uses `threads` threads of its own.
std::optional<OneDnnProduct> onednn_product(std::string_view dtype, size_t rows, size_t columns, size_t depth,
                                            int threads);

// "2.6.3", empty for none.
std::string onednn_version();

}  // namespace bgem3::bench
