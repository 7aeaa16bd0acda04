// Texts of a corpus, scored against queries as they stream by; only the best are kept. Start at Ranking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bgem3/embedder.h"
#include "bgem3/scoring.h"
#include "sink.h"
#include "top_list.h"

namespace bgem3::cli {

enum class SearchMode {
  dense,   // cosine of the dense vectors
  sparse,  // lexical matching
  multi,   // MaxSim
  hybrid,  // the weighted mean of all three
};

struct ScoreRule {
  SearchMode mode = SearchMode::dense;
  HybridWeights weights = {};  // of hybrid

  // What must be known of queries and texts. Hybrid does not need an output of weight 0.
  Outputs outputs() const;
};

// Hands every text to the scores of bgem3/scoring.h, a block of texts at a time.
class Ranking : public VectorSink {
 public:
  // `queries` has the rule's outputs, and so must every text; it must outlive this object. `machine` is for MaxSim.
  Ranking(const EmbedResult& queries, const ScoreRule& rule, size_t top, const MaxSimOptions& machine);

  // Throws InputError if the scores of the texts before are not finite.
  void accept(const Record& record, const Embedding& embedding) override;
  void reject(const Record&) override {}
  void finish() override;  // as accept()

  // After finish(): the best texts of a query, once.
  std::vector<Hit> take(size_t query) { return lists_[query].take(); }

 private:
  // Texts that are not yet scored, and their outputs end to end.
  struct Block {
    std::vector<Hit> texts;
    std::vector<float> dense;
    std::vector<size_t> sparse_starts = {0};
    std::vector<uint32_t> sparse_ids;
    std::vector<float> sparse_weights;
    std::vector<size_t> multi_starts = {0};
    std::vector<float> multi;
    size_t bytes = 0;
  };

  void score_block();
  std::vector<double> scores(const Embedding& query) const;

  const EmbedResult& queries_;
  const ScoreRule rule_;
  const Outputs outputs_;
  std::optional<MaxSim> max_sim_;
  std::vector<TopList> lists_;
  Block block_;
};

}  // namespace bgem3::cli
