// Functions of sixteen lanes, and loops over a row. Included through ops_inl.h.

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

// The same for products whose factors are rounded to bf16 or 8 bits: absolute error below 8e-5 + 2e-6 |x| up to |x| =
// 4.2, beyond it x or 0 but for 2e-6 |x|. The distribution function of the normal distribution, which x is multiplied
// by, is an odd polynomial around 1/2 (tools/fit_functions.py).
inline Lanes gelu_for_rounded(Lanes x) {
  const Lanes half = Lanes::broadcast(0.5f);
  const Lanes inside = max(Lanes::broadcast(-4.2f), min(Lanes::broadcast(4.2f), x));
  const Lanes square = inside * inside;
  Lanes p = Lanes::broadcast(-9.01753172e-10f);
  p = fma(p, square, Lanes::broadcast(7.94133896e-08f));
  p = fma(p, square, Lanes::broadcast(-3.03793149e-06f));
  p = fma(p, square, Lanes::broadcast(6.68906941e-05f));
  p = fma(p, square, Lanes::broadcast(-0.000950657472f));
  p = fma(p, square, Lanes::broadcast(0.00929822959f));
  p = fma(p, square, Lanes::broadcast(-0.0655281991f));
  p = fma(p, square, Lanes::broadcast(0.398465872f));
  return x * fma(p, inside, half);
}

// 2^x for x <= 1, 0 where that is denormal; for weights that are rounded to bf16, in FlushDenormals mode. Relative
// error below 1.1e-4.
inline Lanes exp2_for_rounded(Lanes x) {
  const Lanes n = nearest_integer(x);
  const Lanes r = x - n;
  Lanes p = Lanes::broadcast(0.05500893f);
  p = fma(p, r, Lanes::broadcast(0.24221096f));
  p = fma(p, r, Lanes::broadcast(0.69328293f));
  p = fma(p, r, Lanes::broadcast(1.0f));
  return times_power(p, n);
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

// bf16 is the upper half of an f32.
inline Lanes load(const BFloat16* p, size_t lanes, float fill) {
  alignas(64) float values[16];
  if (lanes == 16) return load_bf16(p);
  for (size_t i = 0; i < 16; i++) values[i] = i < lanes ? static_cast<float>(p[i]) : fill;
  return Lanes::load(values);
}

inline void store(Lanes x, float* p, size_t lanes) {
  if (lanes == 16) return x.store(p);
  x.store_first(p, lanes);
}

// The first `lanes` of x, the others 0.
inline Lanes first_lanes(Lanes x, size_t lanes) {
  alignas(64) float values[16];
  x.store(values);
  return Lanes::load_first(values, lanes, 0);
}

inline void store(Lanes x, BFloat16* p, size_t lanes) {
  if (lanes == 16) return store_bf16(x, p);
  BFloat16 values[16];
  store_bf16(x, values);
  std::copy_n(values, lanes, p);
}
