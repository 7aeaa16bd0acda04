// Every kernel, written once over sixteen lanes. An instruction set's file defines the class Lanes and the size of the
// register tile, then includes this file inside a namespace of its own and a region compiled for that set.
// The order of operations here is the definition of the result's bits; a change is a change of every vector ever
// stored.

// ---- Matrix product: a register tile of kTileRows x (kTileVectors * 16) sums over one block of depth ----

// Adds x[0..Rows) * w^T over `depth` steps to y, or stores it (`first`). w: [depth][32], this tile's columns first.
template <int Rows>
inline void multiply_tile(const float* x, size_t x_stride, const float* w, size_t depth, bool first, float* y,
                          size_t y_stride) {
  Lanes sums[Rows][kTileVectors];
#pragma GCC unroll 12
  for (int i = 0; i < Rows; i++) {
#pragma GCC unroll 2
    for (int j = 0; j < kTileVectors; j++) sums[i][j] = Lanes::broadcast(0);
  }
  // Four pointers reach twelve rows: the address modes add one and two strides.
  const float* x_rows[4] = {x, Rows > 3 ? x + 3 * x_stride : x, Rows > 6 ? x + 6 * x_stride : x,
                            Rows > 9 ? x + 9 * x_stride : x};
  for (size_t k = 0; k < depth; k++) {
    Lanes weights[kTileVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kTileVectors; j++) {
      weights[j] = Lanes::load(w + j * 16);
      __builtin_prefetch(w + j * 16 + 16 * kPanelColumns);
    }
#pragma GCC unroll 12
    for (int i = 0; i < Rows; i++) {
      const Lanes value = Lanes::broadcast(x_rows[i / 3][i % 3 * x_stride]);
#pragma GCC unroll 2
      for (int j = 0; j < kTileVectors; j++) sums[i][j] = fma(value, weights[j], sums[i][j]);
    }
    w += kPanelColumns;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) x_rows[i]++;
  }
#pragma GCC unroll 12
  for (int i = 0; i < Rows; i++) {
#pragma GCC unroll 2
    for (int j = 0; j < kTileVectors; j++) {
      float* to = y + i * y_stride + j * 16;
      (first ? sums[i][j] : Lanes::load(to) + sums[i][j]).store(to);
    }
  }
}

// All columns of one panel for the first `rows` (1..kTileRows) rows: the tile as wide as the panel, rows as many as
// asked.
template <int Rows = kTileRows>
inline void multiply_rows(int rows, const float* x, size_t x_stride, const float* w, size_t depth, bool first, float* y,
                          size_t y_stride) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return multiply_rows<Rows - 1>(rows, x, x_stride, w, depth, first, y, y_stride);
  }
  for (size_t column = 0; column < kPanelColumns; column += kTileVectors * 16) {
    multiply_tile<Rows>(x, x_stride, w + column, depth, first, y + column, y_stride);
  }
}

// y[rows][32] (+)= x[rows][depth] * panel^T, sums cut at multiples of `block`.
inline void multiply_panel(View<const float> x, const float* panel, size_t block, bool first, float* y,
                           size_t y_stride) {
  for (size_t row = 0; row < x.rows; row += kTileRows) {
    const int rows = static_cast<int>(std::min<size_t>(kTileRows, x.rows - row));
    for (size_t k = 0; k < x.columns; k += block) {
      const size_t depth = std::min(block, x.columns - k);
      multiply_rows(rows, x.row(row) + k, x.stride, panel + k * kPanelColumns, depth, first && k == 0,
                    y + row * y_stride, y_stride);
    }
  }
}

// ---- Functions of sixteen lanes ----

// e^x for x <= 88; below -87 it is e^-87, so that nothing is denormal. Relative error below 1.2e-7 (one unit in the
// last place). x = n ln 2 + r, |r| <= ln 2 / 2; e^r by a polynomial fitted for the largest relative error
// (tools/fit_functions.py).
inline Lanes exp(Lanes x) {
  const Lanes to_integer = Lanes::broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  x = max(Lanes::broadcast(-87.0f), x);                    // in this order what is not a number stays so
  const Lanes shifted = fma(x, Lanes::broadcast(1.44269504f), to_integer);
  const Lanes n = shifted - to_integer;
  Lanes r = fma(n, Lanes::broadcast(-0.693359375f), x);  // ln 2 in two parts; n times the first is exact
  r = fma(n, Lanes::broadcast(2.12194440e-4f), r);
  Lanes p = Lanes::broadcast(0.00138131448f);
  p = fma(p, r, Lanes::broadcast(0.00836941879f));
  p = fma(p, r, Lanes::broadcast(0.041668456f));
  p = fma(p, r, Lanes::broadcast(0.166665152f));
  p = fma(p, r, Lanes::broadcast(0.49999994f));
  p = fma(p, r, Lanes::broadcast(1.0f));
  p = fma(p, r, Lanes::broadcast(1.0f));
  return scale_by_power(p, shifted);
}

// x / 2 * (1 + erf(x / sqrt(2))), absolute error below 2e-7 * max(1, |x|). With z = |x| / sqrt(2): near zero erf(z) = z
// + z P(z^2); from 0.9 on erfc(z) = e^Q(z), which for negative x is the wanted factor without cancellation
// (tools/fit_functions.py).
inline Lanes gelu(Lanes x) {
  const Lanes one = Lanes::broadcast(1.0f), zero = Lanes::broadcast(0.0f);
  const Lanes signed_z = x * Lanes::broadcast(0.707106781f);
  const Lanes z = min(Lanes::broadcast(5.6f), abs(signed_z));
  const Lanes z2 = z * z;
  Lanes p = Lanes::broadcast(-0.000609039038f);
  p = fma(p, z2, Lanes::broadcast(0.00501196971f));
  p = fma(p, z2, Lanes::broadcast(-0.026778914f));
  p = fma(p, z2, Lanes::broadcast(0.112821408f));
  p = fma(p, z2, Lanes::broadcast(-0.376125246f));
  p = fma(p, z2, Lanes::broadcast(0.128379151f));
  const Lanes near_zero = one + fma(p, signed_z, signed_z);
  Lanes q = Lanes::broadcast(-2.12453015e-05f);
  q = fma(q, z, Lanes::broadcast(0.000436028786f));
  q = fma(q, z, Lanes::broadcast(-0.0041778232f));
  q = fma(q, z, Lanes::broadcast(0.025135057f));
  q = fma(q, z, Lanes::broadcast(-0.108300939f));
  q = fma(q, z, Lanes::broadcast(-0.633330941f));
  q = fma(q, z, Lanes::broadcast(-1.12952137f));
  q = fma(q, z, Lanes::broadcast(0.000175741312f));
  const Lanes erfc = exp(q);
  const Lanes far = select_less(x, zero, erfc, Lanes::broadcast(2.0f) - erfc);
  return x * Lanes::broadcast(0.5f) * select_less(z, Lanes::broadcast(0.9f), near_zero, far);
}

// Calls f(first column, lanes in use) for each vector of a row.
template <typename Function>
inline void for_each_vector(size_t columns, Function f) {
  size_t column = 0;
  for (; column + 16 <= columns; column += 16) f(column, size_t{16});
  if (column < columns) f(column, columns - column);
}

inline Lanes load(const float* p, size_t lanes, float fill) {
  return lanes == 16 ? Lanes::load(p) : Lanes::load_first(p, lanes, fill);
}

inline void store(Lanes x, float* p, size_t lanes) {
  if (lanes == 16) return x.store(p);
  x.store_first(p, lanes);
}

// ---- Product with epilogue ----

inline void finish_panel(const Product& product, size_t first_row, size_t rows, size_t panel) {
  const size_t column = panel * kPanelColumns;
  for (size_t row = first_row; row < first_row + rows; row++) {
    for (size_t j = 0; j < kPanelColumns; j += 16) {
      float* y = product.y.row(row) + column + j;
      Lanes value = Lanes::load(y) + Lanes::load(product.weights->bias() + column + j);
      if (product.epilogue == Epilogue::bias_gelu) value = gelu(value);
      if (product.epilogue == Epilogue::bias_residual)
        value = value + Lanes::load(product.residual.row(row) + column + j);
      value.store(y);
    }
  }
}

// Rows of x that stay in the L2 cache, 1024 deep, while panels pass by; and depth after which the next panel is read.
constexpr size_t kRowBlock = 96;
constexpr size_t kDepthChunk = 1024;
static_assert(kDepthChunk % kDepthBlock == 0, "sums are cut at multiples of their block only");

void multiply(const Product& product, size_t first_row, size_t last_row, size_t first_panel, size_t last_panel) {
  const size_t all = product.weights->depth();
  for (size_t row = first_row; row < last_row; row += kRowBlock) {
    const size_t rows = std::min(kRowBlock, last_row - row);
    for (size_t k = 0; k < all; k += kDepthChunk) {
      const size_t depth = std::min(kDepthChunk, all - k);
      const View<const float> x = product.x.rows_at(row, rows).columns_at(k, depth);
      for (size_t panel = first_panel; panel < last_panel; panel++) {
        const float* w = product.weights->panel(panel) + k * kPanelColumns;
        multiply_panel(x, w, depth_block(all), k == 0, product.y.row(row) + panel * kPanelColumns, product.y.stride);
        if (k + depth == all) finish_panel(product, row, rows, panel);
      }
    }
  }
}

// ---- Attention ----

// Copies x [rows, columns] into panels of 32 rows, [columns][32] each: the weights of a product with x^T.
inline void pack_rows(View<const float> x, float* panels) {
  for (size_t row = 0; row < x.rows; row++) {
    float* to = panels + row / kPanelColumns * x.columns * kPanelColumns + row % kPanelColumns;
    for (size_t k = 0; k < x.columns; k++) to[k * kPanelColumns] = x.row(row)[k];
  }
}

// Copies x [rows, columns] into panels of 32 columns, [rows][32] each: the weights of a product with x.
inline void pack_columns(View<const float> x, float* panels) {
  for (size_t column = 0; column < x.columns; column += kPanelColumns) {
    for (size_t row = 0; row < x.rows; row++) {
      for_each_vector(std::min(kPanelColumns, x.columns - column), [&](size_t j, size_t lanes) {
        store(load(x.row(row) + column + j, lanes, 0), panels + (column * x.rows) + row * kPanelColumns + j, lanes);
      });
    }
  }
}

// One softmax step for one query: the scores [keys] of a tile become e^(score * scale - maximum). `so_far` and `total`
// are the maximum and the sum over the tiles before and are brought up to date; returns the factor for what was summed
// before.
inline float softmax_step(float* scores, size_t keys, float scale, float& so_far, float& total) {
  const float lowest = -std::numeric_limits<float>::max();
  Lanes largest = Lanes::broadcast(lowest);
  for_each_vector(keys, [&](size_t j, size_t lanes) {
    store(load(scores + j, lanes, 0) * Lanes::broadcast(scale), scores + j, lanes);
    largest = max(load(scores + j, lanes, lowest), largest);
  });
  const float new_maximum = std::max(so_far, maximum(largest));
  Lanes sums = Lanes::broadcast(0);
  for_each_vector(keys, [&](size_t j, size_t lanes) {
    store(exp(load(scores + j, lanes, 0) - Lanes::broadcast(new_maximum)), scores + j, lanes);
    sums = sums + load(scores + j, lanes, 0);
  });
  alignas(64) float factor[16];
  exp(Lanes::broadcast(so_far - new_maximum)).store(factor);
  total = total * factor[0] + sum(sums);
  so_far = new_maximum;
  return factor[0];
}

void attention(const Attention& a) {
  const size_t tokens = a.keys.rows, head_size = a.keys.columns;
  const size_t score_stride = row_stride(kKeyTile), sum_stride = row_stride(head_size);
  float* keys = a.scratch.data();
  float* values = keys + round_up(tokens, kPanelColumns) * head_size;
  float* scores = values + tokens * round_up(head_size, kPanelColumns);
  float* sums = scores + kQueryRows * score_stride;
  pack_rows(a.keys, keys);
  pack_columns(a.values, values);

  for (size_t first = 0; first < a.queries.rows; first += kQueryRows) {
    const View<const float> queries = a.queries.rows_at(first, std::min(kQueryRows, a.queries.rows - first));
    float maximum_so_far[kQueryRows], total[kQueryRows];
    for (size_t tile = 0; tile < tokens; tile += kKeyTile) {
      const size_t tile_keys = std::min(kKeyTile, tokens - tile);
      for (size_t j = 0; j < tile_keys; j += kPanelColumns) {
        multiply_panel(queries, keys + (tile + j) * head_size, depth_block(head_size), true, scores + j, score_stride);
      }
      for (size_t row = 0; row < queries.rows; row++) {
        if (tile == 0) {
          maximum_so_far[row] = -std::numeric_limits<float>::max();
          total[row] = 0;
        }
        const float factor =
            softmax_step(scores + row * score_stride, tile_keys, a.scale, maximum_so_far[row], total[row]);
        if (tile == 0) continue;
        for (size_t j = 0; j < head_size; j += 16) {
          float* sum = sums + row * sum_stride + j;
          (Lanes::load(sum) * Lanes::broadcast(factor)).store(sum);
        }
      }
      const View<const float> weights = {scores, queries.rows, tile_keys, score_stride};
      for (size_t j = 0; j < head_size; j += kPanelColumns) {
        multiply_panel(weights, values + j * tokens + tile * kPanelColumns, kDepthBlock, tile == 0, sums + j,
                       sum_stride);
      }
    }
    for (size_t row = 0; row < queries.rows; row++) {
      for_each_vector(head_size, [&](size_t j, size_t lanes) {
        store(Lanes::load(sums + row * sum_stride + j) / Lanes::broadcast(total[row]), a.out.row(first + row) + j,
              lanes);
      });
    }
  }
}

// ---- Operations on rows ----

void layer_norm(View<const float> x, const float* gain, const float* bias, float eps, View<float> y) {
  const size_t columns = x.columns;
  for (size_t row = 0; row < x.rows; row++) {
    const float* from = x.row(row);
    float* to = y.row(row);
    Lanes sums = Lanes::broadcast(0);
    for_each_vector(columns, [&](size_t j, size_t lanes) { sums = sums + load(from + j, lanes, 0); });
    const float mean = sum(sums) / static_cast<float>(columns);
    Lanes squares = Lanes::broadcast(0);
    for_each_vector(columns, [&](size_t j, size_t lanes) {
      const Lanes centred = load(from + j, lanes, mean) - Lanes::broadcast(mean);
      squares = fma(centred, centred, squares);
    });
    const float variance = sum(squares) / static_cast<float>(columns);
    const Lanes scale = Lanes::broadcast(1.0f / std::sqrt(variance + eps));
    for_each_vector(columns, [&](size_t j, size_t lanes) {
      const Lanes centred = load(from + j, lanes, 0) - Lanes::broadcast(mean);
      store(fma(centred * scale, load(gain + j, lanes, 0), load(bias + j, lanes, 0)), to + j, lanes);
    });
  }
}

void add_rows(const float* a, const float* b, const float* c, size_t columns, float* y) {
  for_each_vector(columns, [&](size_t j, size_t lanes) {
    store(load(a + j, lanes, 0) + load(b + j, lanes, 0) + load(c + j, lanes, 0), y + j, lanes);
  });
}

void mean_rows(View<const float> x, float* y) {
  for_each_vector(x.columns, [&](size_t j, size_t lanes) {
    // Kahan: what an addition drops is carried to the next. A plain chain was 5 times less exact at 500 rows already.
    Lanes sums = Lanes::broadcast(0), excess = Lanes::broadcast(0);
    for (size_t row = 0; row < x.rows; row++) {
      const Lanes value = load(x.row(row) + j, lanes, 0) - excess;
      const Lanes next = sums + value;
      excess = (next - sums) - value;
      sums = next;
    }
    store(sums / Lanes::broadcast(static_cast<float>(x.rows)), y + j, lanes);
  });
}

void normalize_row(float* x, size_t columns) {
  Lanes squares = Lanes::broadcast(0);
  for_each_vector(columns, [&](size_t j, size_t lanes) {
    const Lanes value = load(x + j, lanes, 0);
    squares = fma(value, value, squares);
  });
  const Lanes length = Lanes::broadcast(std::max(std::sqrt(sum(squares)), 1e-12f));
  for_each_vector(columns, [&](size_t j, size_t lanes) { store(load(x + j, lanes, 0) / length, x + j, lanes); });
}

// The table of this instruction set.
constexpr Ops make_ops(std::string_view name) {
  return {name, multiply, attention, layer_norm, add_rows, mean_rows, normalize_row};
}
