// NumPy arrays over memory of C++, without a copy.
#pragma once

#include <nanobind/ndarray.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "bindings.h"

namespace bgem3::python {

template <typename T>
using Column = nb::ndarray<nb::numpy, T, nb::ndim<1>>;
using Matrix = nb::ndarray<nb::numpy, float, nb::ndim<2>>;
// What Python hands in.
template <typename T>
using ColumnIn = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using MatrixIn = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// [rows, columns] f32 at values(holder); the holder goes when the array does.
template <typename Holder, typename Values>
Matrix keep_as_array(Holder holder, size_t rows, size_t columns, Values values) {
  auto held = std::make_unique<Holder>(std::move(holder));
  nb::capsule owner(held.get(), [](void* data) noexcept { delete static_cast<Holder*>(data); });
  return Matrix(values(*held.release()), {rows, columns}, owner);
}

// A copy.
template <typename T>
Column<T> make_column(size_t size, auto value) {
  auto values = std::make_unique<T[]>(size);
  for (size_t i = 0; i < size; i++) values[i] = static_cast<T>(value(i));
  nb::capsule owner(values.get(), [](void* data) noexcept { delete[] static_cast<T*>(data); });
  return Column<T>(values.release(), {size}, owner);
}

}  // namespace bgem3::python
