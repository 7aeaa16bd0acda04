// Operations on rows, and the table. Included through ops_inl.h.

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

void round_rows(View<const float> x, View<BFloat16> y) {
  for (size_t row = 0; row < x.rows; row++) {
    for_each_vector(x.columns,
                    [&](size_t j, size_t lanes) { store(load(x.row(row) + j, lanes, 0), y.row(row) + j, lanes); });
  }
}

template <typename T>
void quantize_rows(View<const T> x, const QuantizedRows& y) {
  const float to_integer = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number in the low bits
  for (size_t row = 0; row < x.rows; row++) {
    const T* from = x.row(row);
    // The range includes 0, so that the zero point is one of the 256 values. What is not finite makes `check` so.
    Lanes smallest = Lanes::broadcast(0), largest = Lanes::broadcast(0), check = Lanes::broadcast(0);
    for_each_vector(x.columns, [&](size_t j, size_t lanes) {
      const Lanes value = load(from + j, lanes, 0);
      smallest = min(value, smallest);
      largest = max(value, largest);
      check = fma(value, Lanes::broadcast(0), check);
    });
    const float low = -maximum(Lanes::broadcast(0) - smallest);
    const float range = maximum(largest) - low + sum(check);
    const bool constant = range < 255 * 0x1p-126f;  // also: so small that its scale would be denormal
    const float scale = constant ? 1.0f : range / 255, inverse = 1.0f / scale;
    const float zero = (to_integer - low * inverse) - to_integer;
    const Lanes offset = Lanes::broadcast(to_integer + zero);
    const Lanes least = Lanes::broadcast(to_integer), most = Lanes::broadcast(to_integer + 255);
    uint8_t* to = y.values.row(row);
    for_each_vector(x.columns, [&](size_t j, size_t lanes) {
      const Lanes value = fma(load(from + j, lanes, 0), Lanes::broadcast(inverse), offset);
      store_low_bytes(min(most, max(least, value)), to + j);  // whole vectors: rows have room for them
    });
    y.scales[row] = scale;
    y.zeros[row] = zero >= 0 && zero <= 255 ? static_cast<int32_t>(zero) : 0;  // neither if the row is not finite
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

float dot(const float* x, const float* y, size_t columns) {
  Lanes products = Lanes::broadcast(0);
  for_each_vector(
      columns, [&](size_t j, size_t lanes) { products = fma(load(x + j, lanes, 0), load(y + j, lanes, 0), products); });
  return sum(products);
}

// The table of this instruction set.
constexpr Ops make_ops(std::string_view name, bool has_bf16) {
  return {name,
          has_bf16,
          multiply,
          largest_products,
          attention<F32Tile>,
          attention<Bf16Tile>,
          layer_norm,
          round_rows,
          quantize_rows<float>,
          quantize_rows<BFloat16>,
          add_rows,
          mean_rows,
          normalize_row,
          dot};
}
