#include <array>
#include <cstdint>

#include "expected_error.h"
#include "model/safetensors.h"

// Every byte of every tensor must be inside the input: reading them lets the address sanitizer check that.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bgem3;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  expect_answer_or_error([&] {
    size_t covered = 0;
    for (const Tensor& tensor : parse_safetensors(bytes, "input")) {
      covered += tensor.bytes.size();
      if (tensor.dtype != DType::f32 && tensor.dtype != DType::f16 && tensor.dtype != DType::bf16) continue;
      find_non_finite(tensor);
      std::array<float, 4> last;
      if (tensor.elements() >= last.size()) convert_to_f32(tensor, tensor.elements() - last.size(), last);
    }
    if (covered > size) std::abort();
  });
  expect_answer_or_error([&] { parse_safetensors_index({reinterpret_cast<const char*>(data), size}, "input"); });
  return 0;
}
