// Reads pytorch_model.bin and other state dictionaries of torch.save, without running anything in them.
// Start at parse_torch_zip.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "model/tensor.h"

namespace bgem3 {

// The tensors of a file that torch.save wrote for a dictionary of tensors, in the dictionary's order; views into
// `bytes`. `file` stands for it in messages. The file is a zip archive of uncompressed records; its data.pkl is run by
// a machine that knows dictionaries, tuples, numbers, strings and tensor views and nothing else (pickle.h). Throws
// ModelLoadingError: corrupt (a length, offset, checksum or name that does not fit), unsupported (compressed or
// encrypted records, big-endian data, tensors that are not contiguous, a global or opcode outside the machine's list,
// the format of torch before 1.6).
std::vector<Tensor> parse_torch_zip(std::span<const std::byte> bytes, std::string_view file);

}  // namespace bgem3
