// Attention of one text and head. Included through ops_inl.h.
// The keys are the weights of a product with the queries, the values those of a product with the softmax's weights:
// both are packed into panels first, then tiles of scores pass through the cache. Dao et al., FlashAttention (2022).

// x [rows, columns] as panels of 32 rows: [columns / step][32][step].
template <typename Tile>
inline void pack_keys(View<const typename Tile::X> x, typename Tile::X* panels) {
  constexpr size_t kStep = Tile::kStep;
  for (size_t first = 0; first < x.rows; first += kPanelColumns) {
    const size_t rows = std::min(kPanelColumns, x.rows - first);
    for (size_t k = 0; k < x.columns; k += kStep) {
      for (size_t row = 0; row < rows; row++) {
        typename Tile::X* to = panels + row * kStep;
        to[0] = x.row(first + row)[k];
        if constexpr (kStep == 2) to[1] = k + 1 < x.columns ? x.row(first + row)[k + 1] : typename Tile::X{};
      }
      panels += kPanelColumns * kStep;
    }
  }
}

// x [rows, columns] as panels of 32 columns: [rows / step][32][step]. Columns past the end are not written.
template <typename Tile>
inline void pack_values(View<const typename Tile::X> x, typename Tile::X* panels) {
  constexpr size_t kStep = Tile::kStep;
  for (size_t first = 0; first < x.columns; first += kPanelColumns) {
    const size_t columns = std::min(kPanelColumns, x.columns - first);
    for (size_t row = 0; row < x.rows; row += kStep) {
      if constexpr (kStep == 1) {
        std::copy_n(x.row(row) + first, columns, panels);
      } else {
        const typename Tile::X* low = x.row(row) + first;
        const bool pair = row + 1 < x.rows;
        const typename Tile::X* high = pair ? x.row(row + 1) + first : low;
        for (size_t j = 0; j < columns; j++) {
          panels[2 * j] = low[j];
          panels[2 * j + 1] = pair ? high[j] : typename Tile::X{};
        }
      }
      panels += kPanelColumns * kStep;
    }
  }
}

// What is known of one query's softmax after some tiles: the largest score (scaled), the sum of the weights.
struct SoftmaxState {
  float maximum = -std::numeric_limits<float>::max();
  float total = 0;
};

inline float largest_of(const float* scores, size_t keys) {
  const float lowest = -std::numeric_limits<float>::max();
  Lanes largest = Lanes::broadcast(lowest);
  for_each_vector(keys, [&](size_t j, size_t lanes) { largest = max(load(scores + j, lanes, lowest), largest); });
  return maximum(largest);
}

// From one query's scores [keys] of a tile to its weights e^(score * scale - maximum); returns their sum. Weights are
// f32, or rounded to bf16: then 2^(score * scale - maximum), and `scale` holds log2 e too.
template <typename Weight>
inline float softmax_weights(const float* scores, size_t keys, float scale, float maximum, Weight* weights) {
  constexpr bool kRounded = std::is_same_v<Weight, BFloat16>;
  const Lanes factor = Lanes::broadcast(scale), offset = Lanes::broadcast(-maximum);
  Lanes sums = Lanes::broadcast(0);
  for_each_vector(keys, [&](size_t j, size_t lanes) {
    // In f32 the scaled score is rounded before the maximum is taken off, as the frameworks do it.
    const Lanes score = load(scores + j, lanes, 0);
    const Lanes weight = kRounded ? exp2_for_rounded(fma(score, factor, offset)) : exp(score * factor + offset);
    if constexpr (kRounded) {
      store_bf16(weight, weights + j);
    } else {
      weight.store(weights + j);
    }
    sums = sums + (lanes == 16 ? weight : first_lanes(weight, lanes));
  });
  return sum(sums);
}

template <typename Tile>
void attention(const Attention<typename Tile::X>& a) {
  using X = typename Tile::X;
  const size_t tokens = a.keys.rows, head_size = a.keys.columns;
  const AttentionScratch<X> scratch(a.scratch, tokens, head_size);
  constexpr bool rounded = Tile::kStep != 1;
  struct AsItIs {};
  [[maybe_unused]] const std::conditional_t<rounded, FlushDenormals, AsItIs> mode;
  const float scale = rounded ? a.scale * 1.44269504f : a.scale;
  const size_t score_block = rounded ? kRoundedDepthBlock : depth_block(head_size);
  const size_t value_block = rounded ? kRoundedDepthBlock : kDepthBlock;
  const size_t key_panel = round_up(head_size, Tile::kStep) * kPanelColumns;
  const size_t value_panel = round_up(tokens, Tile::kStep) * kPanelColumns;
  pack_keys<Tile>(a.keys, scratch.keys);
  pack_values<Tile>(a.values, scratch.values);

  for (size_t first = 0; first < a.queries.rows; first += kQueryRows) {
    const View<const X> queries = a.queries.rows_at(first, std::min(kQueryRows, a.queries.rows - first));
    SoftmaxState states[kQueryRows];
    for (size_t tile = 0; tile < tokens; tile += kKeyTile) {
      const size_t keys = std::min(kKeyTile, tokens - tile);
      for (size_t j = 0; j < keys; j += kPanelColumns) {
        multiply_panel<Tile>(queries, scratch.keys + (tile + j) / kPanelColumns * key_panel, score_block, true,
                             scratch.scores.data + j, scratch.scores.stride);
      }
      // In two loops, so that one row's last steps overlap with the next row's first.
      for (size_t row = 0; row < queries.rows; row++) {
        SoftmaxState& state = states[row];
        const float maximum = std::max(state.maximum, largest_of(scratch.scores.row(row), keys) * scale);
        if (maximum == state.maximum) continue;
        const Lanes shift = Lanes::broadcast(state.maximum - maximum);
        state.maximum = maximum;
        if (tile == 0) continue;
        alignas(64) float rescale[16];
        (rounded ? exp2_for_rounded(shift) : exp(shift)).store(rescale);
        state.total *= rescale[0];
        for (size_t j = 0; j < head_size; j += 16) {
          float* sum = scratch.sums.row(row) + j;
          (Lanes::load(sum) * Lanes::broadcast(rescale[0])).store(sum);
        }
      }
      for (size_t row = 0; row < queries.rows; row++) {
        X* weights = scratch.weights.row(row);
        states[row].total += softmax_weights(scratch.scores.row(row), keys, scale, states[row].maximum, weights);
        if (keys % Tile::kStep != 0) weights[keys] = X{};
      }
      const View<const X> weights = {scratch.weights.data, queries.rows, keys, scratch.weights.stride};
      for (size_t j = 0; j < head_size; j += kPanelColumns) {
        multiply_panel<Tile>(weights, scratch.values + j / kPanelColumns * value_panel + tile * kPanelColumns,
                             value_block, tile == 0, scratch.sums.data + j, scratch.sums.stride);
      }
    }
    for (size_t row = 0; row < queries.rows; row++) {
      for_each_vector(head_size, [&](size_t j, size_t lanes) {
        const Lanes result = Lanes::load(scratch.sums.row(row) + j) / Lanes::broadcast(states[row].total);
        store(result, a.out.row(first + row) + j, lanes);
      });
    }
  }
}
