// What a configuration must be, and the options of the engine that follow from it.
#pragma once

#include "bgem3/generator.h"

namespace bgem3 {

// Throws InvalidInputError with the field, what it is and what was expected.
void check_config(const EmbeddingConfig& config);

// The name that a dtype has here: "float32" for "f32", "bfloat16" for "bf16", "int8".
std::string public_dtype(const std::string& dtype);

OpenOptions open_options(const EmbeddingConfig& config);

}  // namespace bgem3
