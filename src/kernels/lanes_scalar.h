// Sixteen f32 lanes in plain C++: the reference that the vector sets equal bit for bit.
// Every lanes_<isa>.h has this class with these members. Included inside a namespace of its own by <isa>.cc.

struct Lanes {
  float v[16];

  template <typename Function>
  static Lanes make(Function f) {
    Lanes r;
    for (int i = 0; i < 16; i++) r.v[i] = f(i);
    return r;
  }
  static Lanes broadcast(float x) {
    return make([&](int) { return x; });
  }
  static Lanes load(const float* p) {
    return make([&](int i) { return p[i]; });
  }
  // The first n (1..16) lanes from memory; the others are `fill`, and nothing past p + n is read.
  static Lanes load_first(const float* p, size_t n, float fill) {
    return Lanes::make([&](int i) { return static_cast<size_t>(i) < n ? p[i] : fill; });
  }
  void store(float* p) const {
    for (int i = 0; i < 16; i++) p[i] = v[i];
  }
  void store_first(float* p, size_t n) const {
    for (size_t i = 0; i < n; i++) p[i] = v[i];
  }
};

inline Lanes operator+(Lanes a, Lanes b) {
  return Lanes::make([&](int i) { return a.v[i] + b.v[i]; });
}
inline Lanes operator-(Lanes a, Lanes b) {
  return Lanes::make([&](int i) { return a.v[i] - b.v[i]; });
}
inline Lanes operator*(Lanes a, Lanes b) {
  return Lanes::make([&](int i) { return a.v[i] * b.v[i]; });
}
inline Lanes operator/(Lanes a, Lanes b) {
  return Lanes::make([&](int i) { return a.v[i] / b.v[i]; });
}
// a * b + c, rounded once.
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return Lanes::make([&](int i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
}
// b if either is not a number, as the instruction of x86 answers.
inline Lanes max(Lanes a, Lanes b) {
  return Lanes::make([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline Lanes min(Lanes a, Lanes b) {
  return Lanes::make([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline Lanes abs(Lanes a) {
  return Lanes::make([&](int i) { return std::fabs(a.v[i]); });
}
// Lane by lane: a < b ? x : y.
inline Lanes select_less(Lanes a, Lanes b, Lanes x, Lanes y) {
  return Lanes::make([&](int i) { return a.v[i] < b.v[i] ? x.v[i] : y.v[i]; });
}
// a * 2^n, n the integer in the low mantissa bits of t (see exp in ops_inl.h); the result must be a normal number.
inline Lanes scale_by_power(Lanes a, Lanes t) {
  return Lanes::make([&](int i) {
    return std::bit_cast<float>(std::bit_cast<uint32_t>(a.v[i]) + (std::bit_cast<uint32_t>(t.v[i]) << 23));
  });
}
// Lane i with lane i + 8, then + 4, + 2, + 1: the one order of every reduction.
inline float sum(Lanes a) {
  for (int step = 8; step >= 1; step /= 2)
    for (int i = 0; i < step; i++) a.v[i] += a.v[i + step];
  return a.v[0];
}
inline float maximum(Lanes a) {
  for (int step = 8; step >= 1; step /= 2)
    for (int i = 0; i < step; i++) a.v[i] = a.v[i] > a.v[i + step] ? a.v[i] : a.v[i + step];
  return a.v[0];
}
