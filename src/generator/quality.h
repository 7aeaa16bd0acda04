// What is measured of vectors, and what is said of a set of them. The rules: docs/generator.md.
#pragma once

#include <span>
#include <string_view>

#include "bgem3/generator.h"

namespace bgem3 {

// [0, 1]; 0 for a vector that is zero, empty or not finite.
double score_vector(std::span<const float> vector, std::string_view text);

// Of any vectors; of none the empty report. Linear in the number of values.
QualityReport assess(std::span<const QualityInput> embeddings);

}  // namespace bgem3
