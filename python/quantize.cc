#include "bgem3/quantize.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "arrays.h"
#include "bindings.h"

namespace bgem3::python {
namespace {

using namespace nb::literals;

template <typename T>
using MatrixOut = nb::ndarray<nb::numpy, T, nb::ndim<2>>;

template <typename T>
MatrixOut<T> keep_rows(std::vector<T> values, size_t rows) {
  const size_t columns = rows ? values.size() / rows : 0;
  auto held = std::make_unique<std::vector<T>>(std::move(values));
  nb::capsule owner(held.get(), [](void* data) noexcept { delete static_cast<std::vector<T>*>(data); });
  return MatrixOut<T>(held.release()->data(), {rows, columns}, owner);
}

// Calls convert(values, dimensions) without the interpreter's lock.
template <typename Array, typename Convert>
auto convert_rows(const Array& array, Convert convert) {
  const std::span values(array.data(), array.size());
  const size_t dimensions = array.shape(1);
  auto converted = [&] {
    const nb::gil_scoped_release unlocked;
    return convert(values, dimensions);
  }();
  return keep_rows(std::move(converted), array.shape(0));
}

}  // namespace

void bind_quantize(nb::module_& module) {
  module.def("int8_range", int8_range, "dimensions"_a);
  module.def(
      "to_int8",
      [](const MatrixIn<float>& vectors) {
        return convert_rows(vectors, [](std::span<const float> values, size_t dimensions) {
          return to_int8(values, dimensions).values;
        });
      },
      "vectors"_a);
  module.def(
      "from_int8", [](const MatrixIn<int8_t>& vectors) { return convert_rows(vectors, from_int8); }, "vectors"_a);
  module.def(
      "to_ubinary", [](const MatrixIn<float>& vectors) { return convert_rows(vectors, to_ubinary); }, "vectors"_a);
  module.def(
      "from_ubinary",
      [](const MatrixIn<uint8_t>& bits, size_t dimensions) {
        return convert_rows(bits,
                            [&](std::span<const uint8_t> values, size_t) { return from_ubinary(values, dimensions); });
      },
      "bits"_a, "dimensions"_a);
}

}  // namespace bgem3::python
