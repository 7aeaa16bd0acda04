#include "encoder/heads.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "kernels/float_mode.h"

namespace bgem3 {

void dense_head(View<const float> hidden, const Batch& batch, Pooling pooling, bool normalize, const Ops& ops,
                View<float> out) {
  const bool first_rows = pooling == Pooling::cls && hidden.rows == batch.texts();
  BGEM3_CHECK(first_rows || hidden.rows == batch.tokens());
  BGEM3_CHECK(out.rows == batch.texts() && out.columns <= hidden.columns);
  const FloatMode mode;
  for (size_t text = 0; text < batch.texts(); text++) {
    const size_t start = batch.starts[text], tokens = batch.starts[text + 1] - start;
    switch (pooling) {
      case Pooling::cls:
        std::copy_n(hidden.row(first_rows ? text : start), out.columns, out.row(text));
        break;
      case Pooling::mean:
        ops.mean_rows(hidden.rows_at(start, tokens).columns_at(0, out.columns), out.row(text));
        break;
    }
    if (normalize) ops.normalize_row(out.row(text), out.columns);
  }
}

void span_head(View<const float> hidden, std::span<const RowRange> spans, bool normalize, const Ops& ops, Team& team,
               View<float> out) {
  BGEM3_CHECK(out.rows == spans.size() && out.columns <= hidden.columns);
  team.parallel_for(spans.size(), [&](size_t span, int) {
    const FloatMode mode;
    const auto [first, last] = spans[span];
    BGEM3_CHECK(first < last && last <= hidden.rows);
    ops.mean_rows(hidden.rows_at(first, last - first).columns_at(0, out.columns), out.row(span));
    if (normalize) ops.normalize_row(out.row(span), out.columns);
  });
}

size_t sparse_head(std::span<const uint32_t> ids, std::span<const float> token_weights,
                   std::span<const uint32_t> dropped, std::span<uint32_t> out_ids, std::span<float> out_weights) {
  std::unordered_map<uint32_t, size_t> places;
  for (size_t token = 0; token < ids.size(); token++) {
    const uint32_t id = ids[token];
    const float weight = token_weights[token];
    if (!(weight > 0) || std::find(dropped.begin(), dropped.end(), id) != dropped.end()) continue;
    const auto [found, is_new] = places.emplace(id, places.size());
    const size_t place = found->second;
    out_ids[place] = id;
    out_weights[place] = is_new ? weight : std::max(out_weights[place], weight);
  }
  return places.size();
}

void multi_head(View<const float> vectors, const Batch& batch, bool normalize, const Ops& ops, Team& team,
                std::span<float* const> out) {
  BGEM3_CHECK(vectors.rows == batch.tokens() && out.size() == batch.texts());
  team.parallel_for(batch.texts(), [&](size_t text, int) {
    const FloatMode mode;
    float* to = out[text];
    for (size_t token = batch.starts[text] + 1; token < batch.starts[text + 1]; token++, to += vectors.columns) {
      std::copy_n(vectors.row(token), vectors.columns, to);
      if (normalize) ops.normalize_row(to, vectors.columns);
    }
  });
}

}  // namespace bgem3
