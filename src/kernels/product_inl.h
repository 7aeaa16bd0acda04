// Matrix products with their epilogue, and the largest products of MaxSim. Included through ops_inl.h.
// A register tile is kTileRows x (kTileVectors * 16) sums, or half as wide. Each of the four types of weights says what
// one step along depth is; the loops around it are the same.

struct F32Tile {
  using X = float;
  using W = float;
  using Sums = Lanes;
  static constexpr size_t kStep = 1;              // values along depth
  static constexpr size_t kPrefetchBytes = 2048;  // weights are asked for this far ahead (measured for each type)
  static constexpr bool kWidens = false;
  static Sums zero() { return Lanes::broadcast(0); }
  static Lanes load_x(const X* x) { return Lanes::broadcast(*x); }
  static Lanes load_w(const W* w) { return Lanes::load(w); }
  static Sums add(Sums sums, Lanes x, Lanes w) { return fma(x, w, sums); }
};

struct F16Tile : F32Tile {
  using W = uint16_t;
  static Lanes load_w(const W* w) { return load_f16(w); }
};

// Keeps the widened weights for the tiles of the rows that follow.
struct F16WideningTile : F16Tile {
  static constexpr bool kWidens = true;
};

struct Bf16Tile {
  using X = BFloat16;
  using W = BFloat16;
  using Sums = Lanes;
  static constexpr size_t kStep = 2;
  static constexpr size_t kPrefetchBytes = 2048;
  static constexpr bool kWidens = false;
  static Sums zero() { return Lanes::broadcast(0); }
  static Words load_x(const X* x) { return Words::broadcast(x); }
  static Words load_w(const W* w) { return Words::load(w); }
  static Sums add(Sums sums, Words x, Words w) { return dot2(sums, x, w); }
};

struct S8Tile {
  using X = uint8_t;
  using W = int8_t;
  using Sums = Words;
  static constexpr size_t kStep = 4;
  static constexpr size_t kPrefetchBytes = 4096;
  static constexpr bool kWidens = false;
  static Sums zero() { return Words::zero(); }
  static Words load_x(const X* x) { return Words::broadcast(x); }
  static Words load_w(const W* w) { return Words::load(w); }
  static Sums add(Sums sums, Words x, Words w) { return dot4(sums, x, w); }
};

// Adds x[0..Rows) * w^T over `steps` steps to the sums y, or stores them (`first`). w: [steps][32][kStep], this tile's
// columns first. `widened`, for tiles that widen: where the weights go, [steps][32], this tile's columns first.
template <typename Tile, int Rows, int Vectors>
[[gnu::noinline]] void multiply_tile(const typename Tile::X* x, size_t x_stride, const typename Tile::W* w,
                                     size_t steps, bool first, float* y, size_t y_stride, float* widened) {
  constexpr size_t kPanelStep = kPanelColumns * Tile::kStep;
  typename Tile::Sums sums[Rows][Vectors];
#pragma GCC unroll 12
  for (int i = 0; i < Rows; i++) {
#pragma GCC unroll 2
    for (int j = 0; j < Vectors; j++) sums[i][j] = Tile::zero();
  }
  // Four pointers reach twelve rows: the address modes add one and two strides.
  const typename Tile::X* x_rows[4] = {x, Rows > 3 ? x + 3 * x_stride : x, Rows > 6 ? x + 6 * x_stride : x,
                                       Rows > 9 ? x + 9 * x_stride : x};
  for (size_t step = 0; step < steps; step++) {
    decltype(Tile::load_w(w)) weights[Vectors];
#pragma GCC unroll 2
    for (int j = 0; j < Vectors; j++) {
      weights[j] = Tile::load_w(w + j * 16 * Tile::kStep);
      if constexpr (Tile::kWidens) weights[j].store(widened + j * 16);
      __builtin_prefetch(w + j * 16 * Tile::kStep + Tile::kPrefetchBytes / sizeof(typename Tile::W));
    }
#pragma GCC unroll 12
    for (int i = 0; i < Rows; i++) {
      const auto value = Tile::load_x(x_rows[i / 3] + i % 3 * x_stride);
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; j++) sums[i][j] = Tile::add(sums[i][j], value, weights[j]);
    }
    w += kPanelStep;
    if constexpr (Tile::kWidens) widened += kPanelColumns;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) x_rows[i] += Tile::kStep;
  }
  if (first) {
#pragma GCC unroll 12
    for (int i = 0; i < Rows; i++) {
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; j++) sums[i][j].store(y + j * 16);
      y += y_stride;
    }
  } else {
#pragma GCC unroll 12
    for (int i = 0; i < Rows; i++) {
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; j++) (Tile::Sums::load(y + j * 16) + sums[i][j]).store(y + j * 16);
      y += y_stride;
    }
  }
}

// The first Columns (16 or 32) columns of one panel for the first `rows` (1..kTileRows) rows: the tile as wide as they
// are at most, rows as many as asked.
template <typename Tile, size_t Columns, int Rows = kTileRows>
inline void multiply_rows(int rows, const typename Tile::X* x, size_t x_stride, const typename Tile::W* w, size_t steps,
                          bool first, float* y, size_t y_stride, float* widened) {
  if constexpr (Rows > 1) {
    if (rows < Rows) {
      return multiply_rows<Tile, Columns, Rows - 1>(rows, x, x_stride, w, steps, first, y, y_stride, widened);
    }
  }
  constexpr int kVectors = std::min<int>(kTileVectors, Columns / 16);
  for (size_t column = 0; column < Columns; column += kVectors * 16) {
    multiply_tile<Tile, Rows, kVectors>(x, x_stride, w + column * Tile::kStep, steps, first, y + column, y_stride,
                                        widened + (Tile::kWidens ? column : 0));
  }
}

// y[rows][Columns] (+)= x[rows][depth] * panel^T for up to kTileRows rows, sums cut at multiples of `block`.
template <typename Tile, size_t Columns = kPanelColumns>
inline void multiply_strip(View<const typename Tile::X> x, const typename Tile::W* panel, size_t block, bool first,
                           float* y, size_t y_stride, float* widened = nullptr) {
  for (size_t k = 0; k < x.columns; k += block) {
    const size_t steps = (std::min(block, x.columns - k) + Tile::kStep - 1) / Tile::kStep;
    multiply_rows<Tile, Columns>(static_cast<int>(x.rows), x.data + k, x.stride, panel + k * kPanelColumns, steps,
                                 first && k == 0, y, y_stride, widened + (Tile::kWidens ? k * kPanelColumns : 0));
  }
}

// The same for any number of rows.
template <typename Tile>
inline void multiply_panel(View<const typename Tile::X> x, const typename Tile::W* panel, size_t block, bool first,
                           float* y, size_t y_stride) {
  for (size_t row = 0; row < x.rows; row += kTileRows) {
    multiply_strip<Tile>(x.rows_at(row, std::min<size_t>(kTileRows, x.rows - row)), panel, block, first,
                         y + row * y_stride, y_stride);
  }
}

// ---- Epilogue ----

// value(j): the sums of columns j .. j + 15, scaled back where they are integers, plus bias. `rounded`: its factors
// were.
template <typename Value>
inline void finish_row(const Product& product, size_t row, size_t column, bool rounded, Value value) {
  for (size_t j = 0; j < kPanelColumns; j += 16) {
    Lanes result = value(j);
    if (product.epilogue == Epilogue::bias_gelu) result = rounded ? gelu_for_rounded(result) : gelu(result);
    if (product.epilogue == Epilogue::bias_residual) {
      result = result + Lanes::load(product.residual.row(row) + column + j);
    }
    if (product.y16.data) {
      store_bf16(result, product.y16.row(row) + column + j);
    } else {
      result.store(product.y.row(row) + column + j);
    }
  }
}

// From sums [rows][32] of rows [first_row, ...) and a panel to the result.
template <typename Tile>
inline void finish_strip(const Product& product, size_t first_row, size_t rows, size_t panel, const float* sums,
                         size_t stride) {
  const PackedWeights& weights = *product.weights;
  const size_t column = panel * kPanelColumns;
  const float* bias = weights.bias() + column;
  [[maybe_unused]] const float* scales = Tile::kStep == 4 ? weights.scales() + column : nullptr;
  [[maybe_unused]] const int32_t* weight_sums = Tile::kStep == 4 ? weights.sums() + column : nullptr;
  for (size_t i = 0; i < rows; i++) {
    const float* row_sums = sums + i * stride;
    if constexpr (Tile::kStep == 4) {
      const Words zero = broadcast_integer(product.x8.zeros[first_row + i]);
      const Lanes row_scale = Lanes::broadcast(product.x8.scales[first_row + i]);
      finish_row(product, first_row + i, column, true, [&](size_t j) {
        const Words exact = Words::load(row_sums + j) - zero * Words::load(weight_sums + j);
        return fma(to_float(exact), row_scale * Lanes::load(scales + j), Lanes::load(bias + j));
      });
    } else {
      finish_row(product, first_row + i, column, Tile::kStep != 1,
                 [&](size_t j) { return Lanes::load(row_sums + j) + Lanes::load(bias + j); });
    }
  }
}

// ---- The whole product ----

// Panels, as the tiles read them, that stay in the L2 cache while strips of rows pass by.
constexpr size_t kPanelGroupBytes = 512 << 10;
// Depth after which the next panels are read, if y can hold sums meanwhile: strips stay in the L1 cache, nearly.
constexpr size_t kDepthChunkBytes = 4096;

// What the epilogue of a strip reads and writes comes into the L1 cache while the tile is computed.
inline void prefetch_results(const Product& product, size_t first_row, size_t rows, size_t column) {
  for (size_t row = first_row; row < first_row + rows; row++) {
    if (product.y16.data) {
      __builtin_prefetch(product.y16.row(row) + column, 1);
      continue;
    }
    for (size_t j = 0; j < kPanelColumns; j += 16) {
      __builtin_prefetch(product.y.row(row) + column + j, 1);
      if (product.residual.data) __builtin_prefetch(product.residual.row(row) + column + j);
    }
  }
}

template <typename Tile, typename NextTile>
inline void multiply_as(const Product& product, View<const typename Tile::X> x, size_t block,
                        const ProductTasks::Task& task, float* scratch) {
  const size_t all = product.weights->depth;
  const size_t chunk = product.y16.data ? all : kDepthChunkBytes / sizeof(typename Tile::X);
  const size_t group =
      std::max<size_t>(kPanelGroupBytes / (kPanelColumns * sizeof(typename Tile::X) * std::min(all, chunk)), 1);
  alignas(64) float tile_sums[kTileRows * kPanelColumns];
  for (size_t k = 0; k < all; k += chunk) {
    const size_t depth = std::min(chunk, all - k);
    for (size_t panels = task.first_panel; panels < task.last_panel; panels += group) {
      for (size_t row = task.first_row; row < task.last_row; row += kTileRows) {
        const size_t rows = std::min<size_t>(kTileRows, task.last_row - row);
        const auto strip = x.rows_at(row, rows).columns_at(k, depth);
        for (size_t panel = panels; panel < std::min(panels + group, task.last_panel); panel++) {
          const auto* w = reinterpret_cast<const typename Tile::W*>(product.weights->panel(panel)) + k * kPanelColumns;
          prefetch_results(product, row, rows, panel * kPanelColumns);
          const bool in_tile = depth == all;
          float* sums = in_tile ? tile_sums : product.y.row(row) + panel * kPanelColumns;
          const size_t stride = in_tile ? kPanelColumns : product.y.stride;
          if constexpr (std::is_same_v<Tile, NextTile>) {
            multiply_strip<Tile>(strip, w, block, k == 0, sums, stride);
          } else if (task.last_row - task.first_row <= kTileRows) {
            multiply_strip<F16Tile>(strip, w, block, k == 0, sums, stride);
          } else {
            float* wide = scratch + (panel - panels) * depth * kPanelColumns;
            if (row == task.first_row) {
              multiply_strip<Tile>(strip, w, block, k == 0, sums, stride, wide);
            } else {
              multiply_strip<NextTile>(strip, wide, block, k == 0, sums, stride);
            }
          }
          if (k + depth == all) finish_strip<Tile>(product, row, rows, panel, sums, stride);
        }
      }
    }
  }
}

void multiply(const Product& product, const ProductTasks::Task& task, std::span<float> scratch) {
  const size_t depth = product.weights->depth, block = depth_block(depth);
  switch (product.weights->type) {
    case WeightType::f32:
      return multiply_as<F32Tile, F32Tile>(product, product.x, block, task, nullptr);
    case WeightType::f16:
      return multiply_as<F16WideningTile, F32Tile>(product, product.x, block, task, scratch.data());
    case WeightType::bf16: {
      const FlushDenormals mode;
      return multiply_as<Bf16Tile, Bf16Tile>(product, product.x16, kRoundedDepthBlock, task, nullptr);
    }
    case WeightType::s8:
      return multiply_as<S8Tile, S8Tile>(product, product.x8.values, round_up(depth, 4), task, nullptr);
  }
}

// ---- The largest products ----

// largest[j] of the first Columns columns of a panel, from a strip of rows.
template <size_t Columns>
inline void largest_of_strip(View<const float> strip, const float* panel, size_t block, float* largest) {
  alignas(64) float sums[kTileRows * kPanelColumns];
  multiply_strip<F32Tile, Columns>(strip, panel, block, true, sums, kPanelColumns);
  for (size_t j = 0; j < Columns; j += 16) {
    Lanes best = Lanes::load(largest + j), check = Lanes::broadcast(0);  // what is not finite makes `check` NaN
    for (size_t i = 0; i < strip.rows; i++) {
      const Lanes product = Lanes::load(sums + i * kPanelColumns + j);
      best = max(product, best);
      check = fma(product, Lanes::broadcast(0), check);
    }
    (best + check).store(largest + j);
  }
}

void largest_products(View<const float> x, const PackedWeights& weights, float* largest) {
  const size_t block = depth_block(weights.depth);
  // Every strip of rows passes by all panels while it is in the cache; rows come from memory once.
  for (size_t first = 0; first < x.rows; first += kTileRows) {
    const View<const float> strip = x.rows_at(first, std::min<size_t>(kTileRows, x.rows - first));
    for (size_t panel = 0; panel < weights.panels(); panel++) {
      const size_t column = panel * kPanelColumns;
      const auto* w = reinterpret_cast<const float*>(weights.panel(panel));
      const bool half = weights.columns - column <= 16;  // queries are short
      (half ? largest_of_strip<16> : largest_of_strip<kPanelColumns>)(strip, w, block, largest + column);
    }
  }
}
