// What a configuration must be, and the options of the engine that follow from it.
#pragma once

#include "bgem3/generator.h"

namespace bgem3 {

// Throws InvalidInputError with the field, what it is and what was expected.
void check_config(const EmbeddingConfig& config);

OpenOptions open_options(const EmbeddingConfig& config);

}  // namespace bgem3
