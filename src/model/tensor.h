// A named view of numbers in a model file, and the exact way from the file's type to float. Start at Tensor.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bgem3 {

// The element types that model files may hold. Weights are f32, f16 or bf16; the others are only skipped over.
enum class DType { f32, f16, bf16, f64, i64, i32, i16, i8, u64, u32, u16, u8, boolean, c64, f8, f6, f4 };

// "F32", "BF16"; never null.
const char* to_string(DType dtype);
// Bits of one element: 4 to 64.
size_t bits_of(DType dtype);

// Elements in row-major order, little-endian. `bytes` points into a mapped file and may be unaligned: whoever made the
// tensor keeps the mapping alive. Makers guarantee that bytes.size() is the product of the shape times the element
// size.
struct Tensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<size_t> shape;  // empty for a single number
  std::span<const std::byte> bytes;
  std::string file;  // for error messages

  size_t elements() const { return bytes.size() * 8 / bits_of(dtype); }
};

// "[250002, 1024]".
std::string shape_text(const std::vector<size_t>& shape);

// Widens elements [first, first + out.size()) of an f32, f16 or bf16 tensor; every value is exact.
// Throws EmbeddingGenerationError (internal) for another type or a range outside the tensor.
void convert_to_f32(const Tensor& tensor, size_t first, std::span<float> out);

// The index of the first element that is infinite or not a number, if there is one. f32, f16 and bf16 only.
// One pass over the bytes at memory speed.
std::optional<size_t> find_non_finite(const Tensor& tensor);

// Throws ModelLoadingError (corrupt) with file, tensor and element if find_non_finite() finds one.
// load_weights() does not scan: whoever reads all weights anyway (to pack them) calls this for each.
void refuse_non_finite(const Tensor& tensor);

}  // namespace bgem3
