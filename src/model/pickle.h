// A machine for the data-only part of Python's pickle format that state dictionaries of torch.save use.
// Start at read_state_dict.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/tensor.h"

namespace bgem3 {

// A tensor as a pickle describes it: contiguous elements of a storage whose bytes are elsewhere.
struct PickledTensor {
  std::string name;
  DType dtype = DType::f32;
  std::string storage;          // the key of its storage
  size_t storage_elements = 0;  // in the whole storage
  size_t first = 0;             // element of the storage where the tensor begins
  std::vector<size_t> shape;
  size_t elements = 0;  // the product of the shape; first + elements <= storage_elements
};

// The entries of a pickled dictionary of tensors, in its order. `file` stands for the pickle in messages.
// The machine can build dictionaries, tuples, numbers, strings and tensor descriptions. It imports, calls and
// constructs nothing: seven names are known, as data; every other one is an error, as is every other opcode. Memory is
// linear in the pickle's size, with fixed limits. Throws ModelLoadingError: corrupt, unsupported (an opcode, global, or
// tensor layout outside the list, by name).
std::vector<PickledTensor> read_state_dict(std::span<const std::byte> pickle, std::string_view file);

}  // namespace bgem3
