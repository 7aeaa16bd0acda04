// Scores of queries and passages from their vectors: lexical matching, MaxSim, and the weighted sums of all three.
// Start at lexical_matching_score, MaxSim::scores and hybrid_scores; docs/scoring.md has the formulas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bgem3/error.h"

#pragma GCC visibility push(default)
namespace bgem3 {

// ---- Sparse ----

// The sparse vector of one text, in memory of the caller's: token ids in any order, none twice, and their weights.
struct LexicalWeights {
  std::span<const uint32_t> ids;   // [tokens]
  std::span<const float> weights;  // [tokens]
};

// Those of several texts, end to end: text i has [starts[i], starts[i + 1]).
struct LexicalWeightsList {
  std::span<const size_t> starts;  // [texts + 1], from 0
  std::span<const uint32_t> ids;
  std::span<const float> weights;
};

// The sum of the products of the weights of all ids that both have; 0 if there is none. Products are exact, added in
// float64 in ascending order of the ids, then rounded once: the same bits whichever is the query and whatever order the
// ids come in. Throws InvalidInputError: ids and weights of different numbers; an id twice in the query, or twice in
// the passage and in the query. Thread-safe. Cost: linear in the passage, and sorting the query's ids.
float lexical_matching_score(const LexicalWeights& query, const LexicalWeights& passage);
// One query with each passage: [passages]. The query is sorted once.
std::vector<float> lexical_matching_scores(const LexicalWeights& query, const LexicalWeightsList& passages);

// ---- Multi-vector ----

// The token vectors of one text, in memory of the caller's.
struct TokenVectors {
  std::span<const float> values;  // [tokens, dimensions], rows contiguous
  size_t dimensions = 0;
};

// Those of several texts, end to end, without padding: text i has rows [starts[i], starts[i + 1]).
struct TokenVectorsList {
  std::span<const float> values;   // [tokens, dimensions], rows contiguous
  std::span<const size_t> starts;  // [texts + 1], in rows, from 0
  size_t dimensions = 0;
};

struct MaxSimOptions {
  // Affects speed only: the same vectors give the same bits whatever stands here.
  int threads = 0;  // 0: as many as the process may use cores (affinity, cgroup quota); more are capped to that
  std::string isa = "auto";  // as OpenOptions::isa
};

// MaxSim scores on threads of its own, which sleep when there is nothing to do. Any number of threads may call scores()
// at the same time.
class MaxSim {
 public:
  // Throws InvalidInputError for an unknown or absent instruction set or a negative number of threads.
  explicit MaxSim(const MaxSimOptions& options = {});
  MaxSim(MaxSim&&) noexcept;
  MaxSim& operator=(MaxSim&&) noexcept;
  ~MaxSim();

  // For each passage the mean over the query's vectors of the largest dot product with any of the passage's:
  // [passages]. Not a number if any product is not finite. The same bits alone and in any list.
  //   zero_rows_to: 0 is this exact definition. Otherwise passages with fewer vectors than this count as filled up with
  //     zero vectors, as FlagEmbedding's compute_score has them, where it is the number of vectors of the longest
  //     passage in the batch: a largest product below zero becomes zero.
  // Throws InvalidInputError: no query vector; a passage without vectors; dimensions that differ or do not divide the
  // values; starts that do not ascend from 0 to the number of rows. ResourceLimitError if memory or threads cannot be
  // had, InferenceError in a process forked after the first call.
  // Cost: 2 * query vectors (rounded up to 32) * passage vectors * dimensions operations; copies the query only.
  // Source: Khattab, Zaharia, ColBERT (2020); FlagEmbedding 1.4.0, colbert_score.
  std::vector<float> scores(const TokenVectors& query, const TokenVectorsList& passages, size_t zero_rows_to = 0) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The score of one query and one passage, on the calling thread: the bits of MaxSim::scores. Throws as it does.
float max_sim(const TokenVectors& query, const TokenVectors& passage, size_t zero_rows_to = 0);

// ---- All three ----

// What each score counts, in FlagEmbedding's order.
struct HybridWeights {
  double dense = 1, sparse = 1, colbert = 1;
};

struct HybridScores {
  float sparse_dense;          // (sparse * w.sparse + dense * w.dense) / (w.sparse + w.dense)
  float colbert_sparse_dense;  // (colbert * w.colbert + sparse * w.sparse + dense * w.dense) / the sum of the weights
};

// The weighted means of a pair's three scores, as compute_score of FlagEmbedding defines them, computed in float64.
// sparse_dense is not a number if the weights of these two cancel out. Throws InvalidInputError if all three do, or a
// weight is not finite.
HybridScores hybrid_scores(float dense, float sparse, float colbert, const HybridWeights& weights = {});

}  // namespace bgem3
#pragma GCC visibility pop
