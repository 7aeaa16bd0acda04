#include "bgem3/scoring.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "scoring/starts.h"

namespace bgem3 {
namespace {

void check_lengths(std::string_view what, const LexicalWeights& text) {
  if (text.ids.size() == text.weights.size()) return;
  fail<InvalidInputError>(ErrorCode::invalid_input, "{}: {} ids, but {} weights: give one weight for each id", what,
                          text.ids.size(), text.weights.size());
}

// A query's weights by ascending id, and where each id is: a table with open addresses, at most half full.
class Query {
 public:
  explicit Query(const LexicalWeights& query)
      : order_(query.ids.size()),
        slots_(std::bit_ceil(2 * query.ids.size() + 2), kEmpty),
        products_(query.ids.size()),
        seen_(query.ids.size()) {
    check_lengths("query", query);
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return query.ids[a] < query.ids[b]; });
    for (const size_t index : order_) {
      const uint32_t id = query.ids[index];
      if (!ids_.empty() && ids_.back() == id) {
        fail<InvalidInputError>(ErrorCode::invalid_input, "query: id {} occurs twice: keep one weight for each id", id);
      }
      size_t slot = first_slot(id);
      while (slots_[slot] != kEmpty) slot = next(slot);
      slots_[slot] = ids_.size();
      ids_.push_back(id);
      weights_.push_back(query.weights[index]);
    }
  }

  // `name()`: what errors call the passage.
  template <typename Name>
  float score(const LexicalWeights& passage, Name name) {
    for (size_t i = 0; i < passage.ids.size(); i++) {
      const size_t place = find(passage.ids[i]);
      if (place == kEmpty) continue;
      if (seen_[place]) {
        fail<InvalidInputError>(ErrorCode::invalid_input, "{}: id {} occurs twice: keep one weight for each id", name(),
                                passage.ids[i]);
      }
      seen_[place] = true;
      products_[place] = double{weights_[place]} * passage.weights[i];
    }
    double sum = 0;
    for (size_t place = 0; place < ids_.size(); place++) {
      if (!seen_[place]) continue;
      sum += products_[place];
      seen_[place] = false;
    }
    return static_cast<float>(sum);
  }

 private:
  static constexpr size_t kEmpty = SIZE_MAX;

  // Fibonacci hashing: the upper bits of the id times 2^64 / the golden ratio.
  size_t first_slot(uint32_t id) const { return id * 0x9E3779B97F4A7C15u >> (64 - std::countr_zero(slots_.size())); }
  size_t next(size_t slot) const { return (slot + 1) & (slots_.size() - 1); }
  size_t find(uint32_t id) const {
    size_t slot = first_slot(id);
    while (slots_[slot] != kEmpty && ids_[slots_[slot]] != id) slot = next(slot);
    return slots_[slot];
  }

  std::vector<size_t> order_, slots_;
  std::vector<uint32_t> ids_;     // ascending
  std::vector<float> weights_;    // of ids_
  std::vector<double> products_;  // of ids_ that a passage has
  std::vector<bool> seen_;        // which those are
};

}  // namespace

float lexical_matching_score(const LexicalWeights& query, const LexicalWeights& passage) {
  check_lengths("passage", passage);
  return Query(query).score(passage, [] { return std::string("passage"); });
}

std::vector<float> lexical_matching_scores(const LexicalWeights& query, const LexicalWeightsList& passages) {
  check_lengths("passages", {passages.ids, passages.weights});
  check_starts(passages.starts, passages.ids.size(), "ids");
  Query table(query);
  std::vector<float> scores;
  scores.reserve(passages.starts.size() - 1);
  for (size_t i = 0; i + 1 < passages.starts.size(); i++) {
    const size_t start = passages.starts[i], count = passages.starts[i + 1] - start;
    scores.push_back(table.score({passages.ids.subspan(start, count), passages.weights.subspan(start, count)},
                                 [&] { return fmt::format("passage {}", i); }));
  }
  return scores;
}

HybridScores hybrid_scores(float dense, float sparse, float colbert, const HybridWeights& weights) {
  const double two = weights.sparse + weights.dense, all = weights.colbert + two;
  if (!std::isfinite(all) || all == 0) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "weights dense {}, sparse {}, colbert {}: their sum is {}; expected finite weights whose "
                            "sum is not 0",
                            weights.dense, weights.sparse, weights.colbert, all);
  }
  const double sparse_dense = weights.sparse * sparse + weights.dense * dense;
  return {static_cast<float>(sparse_dense / two), static_cast<float>((weights.colbert * colbert + sparse_dense) / all)};
}

}  // namespace bgem3
