#include "bgem3/scoring.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "arrays.h"
#include "bindings.h"

namespace bgem3::python {
namespace {

using namespace nb::literals;

TokenVectors to_vectors(const MatrixIn<float>& array) { return {{array.data(), array.size()}, array.shape(1)}; }

LexicalWeights to_weights(const ColumnIn<uint32_t>& ids, const ColumnIn<float>& weights) {
  return {{ids.data(), ids.size()}, {weights.data(), weights.size()}};
}

std::vector<size_t> to_starts(const ColumnIn<int64_t>& starts) {
  return {starts.data(), starts.data() + starts.size()};  // a negative one is too large, which is an error
}

Column<float> to_column(const std::vector<float>& scores) {
  return make_column<float>(scores.size(), [&](size_t i) { return scores[i]; });
}

}  // namespace

void bind_scoring(nb::module_& module) {
  nb::class_<MaxSim>(module, "MaxSim")
      .def(
          "__init__",
          [](MaxSim* self, int threads, const std::string& isa) {
            new (self) MaxSim({.threads = threads, .isa = isa});
          },
          "threads"_a, "isa"_a)
      .def(
          "scores",
          [](const MaxSim& self, const MatrixIn<float>& query, const ColumnIn<int64_t>& starts,
             const MatrixIn<float>& passages, size_t zero_rows_to) {
            const std::vector<size_t> rows = to_starts(starts);
            const TokenVectors vectors = to_vectors(passages);
            std::vector<float> scores;
            {
              const nb::gil_scoped_release unlocked;
              scores = self.scores(to_vectors(query), {vectors.values, rows, vectors.dimensions}, zero_rows_to);
            }
            return to_column(scores);
          },
          "query"_a, "starts"_a, "passages"_a, "zero_rows_to"_a);
  module.def(
      "max_sim",
      [](const MatrixIn<float>& query, const MatrixIn<float>& passage, size_t zero_rows_to) {
        return max_sim(to_vectors(query), to_vectors(passage), zero_rows_to);
      },
      "query"_a, "passage"_a, "zero_rows_to"_a);
  module.def(
      "lexical_matching_score",
      [](const ColumnIn<uint32_t>& query_ids, const ColumnIn<float>& query_weights, const ColumnIn<uint32_t>& ids,
         const ColumnIn<float>& weights) {
        return lexical_matching_score(to_weights(query_ids, query_weights), to_weights(ids, weights));
      },
      "query_ids"_a, "query_weights"_a, "ids"_a, "weights"_a);
  module.def(
      "lexical_matching_scores",
      [](const ColumnIn<uint32_t>& query_ids, const ColumnIn<float>& query_weights, const ColumnIn<int64_t>& starts,
         const ColumnIn<uint32_t>& ids, const ColumnIn<float>& weights) {
        const std::vector<size_t> rows = to_starts(starts);
        return to_column(lexical_matching_scores(to_weights(query_ids, query_weights),
                                                 {rows, {ids.data(), ids.size()}, {weights.data(), weights.size()}}));
      },
      "query_ids"_a, "query_weights"_a, "starts"_a, "ids"_a, "weights"_a);
  module.def(
      "hybrid_scores",
      [](float dense, float sparse, float colbert, double dense_weight, double sparse_weight, double colbert_weight) {
        const HybridScores scores =
            hybrid_scores(dense, sparse, colbert, {dense_weight, sparse_weight, colbert_weight});
        return std::pair(scores.sparse_dense, scores.colbert_sparse_dense);
      },
      "dense"_a, "sparse"_a, "colbert"_a, "dense_weight"_a, "sparse_weight"_a, "colbert_weight"_a);
}

}  // namespace bgem3::python
