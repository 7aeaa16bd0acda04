#include <array>
#include <cstdint>

#include "expected_error.h"
#include "model/pickle.h"
#include "model/torch_zip.h"

// The archive, and the pickle alone: inside an archive its checksum would hide it from a fuzzer.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bgem3;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  expect_answer_or_error([&] {
    for (const Tensor& tensor : parse_torch_zip(bytes, "input")) {
      if (tensor.dtype == DType::i64) continue;
      find_non_finite(tensor);
      std::array<float, 4> last;
      if (tensor.elements() >= last.size()) convert_to_f32(tensor, tensor.elements() - last.size(), last);
    }
  });
  expect_answer_or_error([&] {
    for (const PickledTensor& tensor : read_state_dict(bytes, "input")) {
      if (tensor.first > tensor.storage_elements || tensor.elements > tensor.storage_elements - tensor.first)
        std::abort();
    }
  });
  return 0;
}
