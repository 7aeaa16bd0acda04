#include "ranking.h"

#include <fmt/format.h>

#include <cmath>

#include "failure.h"

namespace bgem3::cli {

namespace {

constexpr size_t kBlockBytes = size_t{16} << 20;  // enough to keep threads busy: 32 texts of 128 tokens of bge-m3

template <typename T>
size_t append(std::vector<T>& to, std::span<const T> values) {
  to.insert(to.end(), values.begin(), values.end());
  return values.size_bytes();
}

}  // namespace

Outputs ScoreRule::outputs() const {
  const auto needs = [&](SearchMode alone, double weight) {
    return mode == alone || (mode == SearchMode::hybrid && weight != 0);
  };
  return {.dense = needs(SearchMode::dense, weights.dense),
          .sparse = needs(SearchMode::sparse, weights.sparse),
          .multi = needs(SearchMode::multi, weights.colbert)};
}

Ranking::Ranking(const EmbedResult& queries, const ScoreRule& rule, size_t top, const MaxSimOptions& machine)
    : queries_(queries), rule_(rule), outputs_(rule.outputs()), lists_(queries.texts(), TopList(top)) {
  if (outputs_.multi) max_sim_.emplace(machine);
}

void Ranking::accept(const Record& record, const Embedding& embedding) {
  block_.texts.push_back({0, record.row, record.id, record.text});
  block_.bytes += sizeof(Hit) + record.id.size() + record.text.size();
  if (outputs_.dense) block_.bytes += append(block_.dense, embedding.dense);
  if (outputs_.sparse) {
    block_.bytes += append(block_.sparse_ids, embedding.sparse_ids);
    block_.bytes += append(block_.sparse_weights, embedding.sparse_weights);
    block_.sparse_starts.push_back(block_.sparse_ids.size());
  }
  if (outputs_.multi) {
    block_.bytes += append(block_.multi, embedding.multi);
    block_.multi_starts.push_back(block_.multi.size() / queries_.dimensions());
  }
  if (block_.bytes >= kBlockBytes) score_block();
}

void Ranking::finish() { score_block(); }

void Ranking::score_block() {
  for (size_t q = 0; q < lists_.size(); ++q) {
    const std::vector<double> found = scores(queries_[q]);
    for (size_t i = 0; i < found.size(); ++i) {
      Hit& text = block_.texts[i];
      if (!std::isfinite(found[i])) {
        throw InputError(
            fmt::format("row {}: its score for query {} is not finite; embed the corpus again", text.row, q + 1));
      }
      if (!lists_[q].wants(found[i], text.row)) continue;
      text.score = found[i];
      lists_[q].add(text);
    }
  }
  block_ = {};
}

std::vector<double> Ranking::scores(const Embedding& query) const {
  const size_t texts = block_.texts.size();
  std::vector<double> dense(texts);
  std::vector<float> sparse(texts), multi(texts);
  if (outputs_.dense) {
    const size_t dimensions = queries_.dimensions();
    for (size_t i = 0; i < texts; ++i) {
      dense[i] = cosine(query.dense, std::span(block_.dense).subspan(i * dimensions, dimensions));
    }
  }
  if (outputs_.sparse) {
    sparse = lexical_matching_scores({query.sparse_ids, query.sparse_weights},
                                     {block_.sparse_starts, block_.sparse_ids, block_.sparse_weights});
  }
  if (outputs_.multi) {
    const size_t dimensions = queries_.dimensions();
    multi = max_sim_->scores({query.multi, dimensions}, {block_.multi, block_.multi_starts, dimensions});
  }
  switch (rule_.mode) {
    case SearchMode::dense:
      return dense;
    case SearchMode::sparse:
      return {sparse.begin(), sparse.end()};
    case SearchMode::multi:
      return {multi.begin(), multi.end()};
    case SearchMode::hybrid:
      for (size_t i = 0; i < texts; ++i) {
        dense[i] = hybrid_scores(static_cast<float>(dense[i]), sparse[i], multi[i], rule_.weights).colbert_sparse_dense;
      }
      return dense;
  }
  return {};
}

}  // namespace bgem3::cli
