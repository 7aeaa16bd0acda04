#include "onednn.h"

#ifdef BGEM3_HAS_ONEDNN

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>

#include "base/aligned_buffer.h"

namespace bgem3::bench {

std::optional<OneDnnProduct> onednn_product(std::string_view dtype, size_t rows, size_t columns, size_t depth,
                                            int threads) {
  using dnnl::memory;
  using Type = memory::data_type;
  const auto type = [&](Type f32, Type bf16, Type int8) {
    return dtype == "f32" ? f32 : dtype == "bf16" ? bf16 : int8;
  };
  const memory::dim m = static_cast<memory::dim>(rows), n = static_cast<memory::dim>(columns),
                    k = static_cast<memory::dim>(depth);
  const memory::desc x({m, k}, type(Type::f32, Type::bf16, Type::u8), memory::format_tag::ab);
  const memory::desc w({n, k}, type(Type::f32, Type::bf16, Type::s8), memory::format_tag::any);
  const memory::desc y({m, n}, type(Type::f32, Type::bf16, Type::s32), memory::format_tag::ab);
  omp_set_num_threads(threads);
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  static dnnl::stream stream(engine);
  try {
    const dnnl::inner_product_forward::desc description(dnnl::prop_kind::forward_inference, x, w, y);
    const dnnl::inner_product_forward::primitive_desc chosen(description, engine);
    struct State {
      dnnl::inner_product_forward product;
      AlignedBuffer<std::byte> x_bytes, y_bytes;
      memory x, w, y;
    };
    AlignedBuffer<std::byte> x_bytes(chosen.src_desc().get_size()), y_bytes(chosen.dst_desc().get_size());
    // Pages of ones: reading pages that nobody wrote reads one page of zeros again and again, which is slower.
    std::fill_n(x_bytes.data(), x_bytes.size(), std::byte{0x3f});
    memory x_memory(chosen.src_desc(), engine, x_bytes.data()), y_memory(chosen.dst_desc(), engine, y_bytes.data());
    const auto state =
        std::make_shared<State>(State{dnnl::inner_product_forward(chosen), std::move(x_bytes), std::move(y_bytes),
                                      x_memory, memory(chosen.weights_desc(), engine, nullptr), y_memory});
    return OneDnnProduct{chosen.weights_desc().get_size(), [state](const std::byte* weights) {
                           state->w.set_data_handle(const_cast<std::byte*>(weights));
                           state->product.execute(
                               stream,
                               {{DNNL_ARG_SRC, state->x}, {DNNL_ARG_WEIGHTS, state->w}, {DNNL_ARG_DST, state->y}});
                           stream.wait();
                         }};
  } catch (const dnnl::error&) {
    return std::nullopt;
  }
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->patch);
}

}  // namespace bgem3::bench

#else

namespace bgem3::bench {

std::optional<OneDnnProduct> onednn_product(std::string_view, size_t, size_t, size_t, int) { return std::nullopt; }
std::string onednn_version() { return ""; }

}  // namespace bgem3::bench

#endif
