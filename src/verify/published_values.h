// The numbers that others have published of bge-m3's outputs, and the same numbers as computed here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bgem3/embedder.h"
#include "verify/checks.h"

namespace bgem3 {

// What is measured, of the texts a and b.
enum class Quantity {
  similarity,     // dot product of the dense vectors
  component,      // number `index` of a's dense vector
  weight,         // a's sparse weight of the id `index`; 0 if it has none
  other_weights,  // the largest sparse weight of a for an id that no other value of this list has
  weights,        // the number of sparse weights of all texts from a to b
  lexical,        // lexical matching score
  colbert,        // MaxSim of a's vectors with b's
  sparse_dense,   // compute_score's weighted means, by `weighting`
  all_three,
};

struct PublishedValue {
  Quantity quantity;
  size_t a, b;           // in published_texts()
  uint32_t index;        // of a component or a token
  bool first_weighting;  // 0.4, 0.2, 0.4 for dense, sparse, colbert; else 1, 0.3, 1
  double value;
  double tolerance;  // of the source: what it rounds away, and what another order of sums may change
  const char* source;
};

const std::vector<std::string>& published_texts();
const std::vector<PublishedValue>& published_values();

// The same numbers, in the same order, from all three outputs of published_texts(). Not a number where a text failed.
std::vector<double> measure_published_values(const EmbedResult& outputs);

// The largest difference that passes: the source's, or more where a lower precision costs more (docs/verify.md).
double tolerance_in(const std::string& dtype, const PublishedValue& value);

// A check for each value.
void compare_published_values(std::span<const double> found, const std::string& dtype, Checks& checks);

}  // namespace bgem3
