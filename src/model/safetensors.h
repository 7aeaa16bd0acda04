// Reads model.safetensors: the names, types, shapes and bytes of its tensors. Start at parse_safetensors.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/tensor.h"

namespace bgem3 {

// The tensors of one file, in the order of their data; views into `bytes`. `file` stands for it in messages.
// Every rule of the format is checked (header length: at most 4 MiB here, JSON, known types, shape times element size
// equal to the range, ranges that cover the data without hole, overlap or rest), so that a view never leaves `bytes`.
// Values are not looked at. Throws ModelLoadingError (corrupt, or unsupported for an element type that the format does
// not have).
std::vector<Tensor> parse_safetensors(std::span<const std::byte> bytes, std::string_view file);

// The weight_map of model.safetensors.index.json: tensor name to shard. Shards are bare file names.
// Throws ModelLoadingError (corrupt).
std::map<std::string, std::string> parse_safetensors_index(std::string_view text, std::string_view file);

}  // namespace bgem3
