#include "precision.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "bgem3/quantize.h"
#include "failure.h"

namespace bgem3::cli {

namespace {

constexpr int8_t kMissing = -128;  // to_int8 never gives it

struct Form {
  const char* name;
  const char* numpy_type;
};
constexpr Form kForms[] = {{"float32", "<f4"}, {"float16", "<f2"}, {"int8", "|i1"}, {"ubinary", "|u1"}};

const Form& form_of(Precision precision) { return kForms[static_cast<size_t>(precision)]; }

template <typename T>
std::vector<T> values_of(std::span<const std::byte> bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<uint16_t> checked_float16(std::span<const float> vectors, size_t row) {
  for (const float value : vectors) {
    if (std::isfinite(value) && std::fabs(value) >= 65520) {
      throw InputError(fmt::format(
          "row {}: a component is {}, which float16 cannot hold; pass --normalize or --precision float32", row, value));
    }
  }
  return to_float16(vectors);
}

}  // namespace

const char* name_of(Precision precision) { return form_of(precision).name; }

const char* numpy_type(Precision precision) { return form_of(precision).numpy_type; }

Precision precision_of(std::string_view numpy_type) {
  size_t form = 0;
  while (kForms[form].numpy_type != numpy_type) ++form;
  return static_cast<Precision>(form);
}

void check_precision(Precision precision, size_t dimensions, bool normalized) {
  if (precision == Precision::int8 && !normalized) {
    throw UsageError("--precision int8: expected vectors of length one, its range is made for them; pass --normalize");
  }
  if (precision == Precision::ubinary && dimensions % 8 != 0) {
    throw UsageError(fmt::format("--precision ubinary: expected dimensions that fill whole bytes, found {}{}",
                                 dimensions,
                                 dimensions > 8 ? fmt::format("; pass --truncate-dim {}", dimensions / 8 * 8) : ""));
  }
}

template <typename T>
std::span<const std::byte> VectorPacker::keep(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  bytes_.assign(bytes.begin(), bytes.end());
  return bytes_;
}

std::span<const std::byte> VectorPacker::pack(std::span<const float> vectors, size_t row) {
  switch (precision_) {
    case Precision::float32:
      return std::as_bytes(vectors);
    case Precision::float16:
      return keep(checked_float16(vectors, row));
    case Precision::int8: {
      const Int8Vectors packed = to_int8(vectors, dimensions_);
      clipped_ += packed.clipped;
      return keep(packed.values);
    }
    case Precision::ubinary:
      return keep(to_ubinary(vectors, dimensions_));
  }
  return {};
}

std::span<const std::byte> VectorPacker::pack_missing() {
  if (precision_ == Precision::int8) return keep(std::vector<int8_t>(dimensions_, kMissing));
  const std::vector<float> missing(dimensions_, std::numeric_limits<float>::quiet_NaN());
  return precision_ == Precision::float16 ? keep(to_float16(missing)) : keep(missing);
}

std::vector<float> unpack_vectors(Precision precision, std::span<const std::byte> bytes, size_t dimensions) {
  switch (precision) {
    case Precision::float32:
      return values_of<float>(bytes);
    case Precision::float16:
      return from_float16(values_of<uint16_t>(bytes));
    case Precision::int8: {
      const std::vector<int8_t> values = values_of<int8_t>(bytes);
      std::vector<float> vectors = from_int8(values, dimensions);
      for (size_t i = 0; i < values.size(); ++i) {
        if (values[i] == kMissing) vectors[i] = std::numeric_limits<float>::quiet_NaN();
      }
      return vectors;
    }
    case Precision::ubinary:
      return from_ubinary(values_of<uint8_t>(bytes), dimensions);
  }
  return {};
}

}  // namespace bgem3::cli
