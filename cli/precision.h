// In how many bits `embed` writes vectors, and the way back. Start at VectorPacker and unpack_vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bgem3::cli {

// The forms of bgem3/quantize.h. `--dtype` is another thing: the precision of the computation.
enum class Precision { float32, float16, int8, ubinary };

const char* name_of(Precision precision);

// The type of an array of such vectors, in NumPy's words: "<f4", "<f2", "|i1", "|u1".
const char* numpy_type(Precision precision);
// Of the vectors that an array of this type, one of the above, has.
Precision precision_of(std::string_view numpy_type);

// Throws UsageError if vectors of so many dimensions, of length one or not, have no such form.
void check_precision(Precision precision, size_t dimensions, bool normalized);

// Vectors as the bytes of an array.
class VectorPacker {
 public:
  // As check_precision() allows.
  VectorPacker(Precision precision, size_t dimensions) : precision_(precision), dimensions_(dimensions) {}

  Precision precision() const { return precision_; }
  const char* type() const { return numpy_type(precision_); }
  size_t columns() const { return precision_ == Precision::ubinary ? dimensions_ / 8 : dimensions_; }

  // Vectors of the record `row`, end to end; valid until the next call. Throws InputError for what is beyond float16.
  std::span<const std::byte> pack(std::span<const float> vectors, size_t row);
  // A row that no vector gives: NaN, in int8 -128. ubinary has none.
  std::span<const std::byte> pack_missing();

  // Components so far that int8 had to bring into its range.
  size_t clipped() const { return clipped_; }

 private:
  template <typename T>
  std::span<const std::byte> keep(const std::vector<T>& values);

  const Precision precision_;
  const size_t dimensions_;
  size_t clipped_ = 0;
  std::vector<std::byte> bytes_;
};

// What pack() was given, with the loss of the form. `bytes`: whole rows. The row of pack_missing() is NaN.
std::vector<float> unpack_vectors(Precision precision, std::span<const std::byte> bytes, size_t dimensions);

}  // namespace bgem3::cli
