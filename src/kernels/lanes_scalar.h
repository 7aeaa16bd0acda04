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
// The nearest whole number, the even one of two.
inline Lanes nearest_integer(Lanes a) {
  const float to_integer = 12582912.0f;  // 1.5 * 2^23: adding it rounds what is below 2^22
  return Lanes::make([&](int i) { return std::abs(a.v[i]) < 4194304.0f ? a.v[i] + to_integer - to_integer : a.v[i]; });
}
// a * 2^n for a whole number n <= 127, 0 where n is below -126. In FlushDenormals mode a denormal result is 0, too.
inline Lanes times_power(Lanes a, Lanes n) {
  return Lanes::make([&](int i) {
    const auto exponent = static_cast<uint32_t>(static_cast<int32_t>(std::max(-127.0f, n.v[i])) + 127);
    return a.v[i] * std::bit_cast<float>(exponent << 23);
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

// ---- Sixteen lanes of 32 bits: integer sums, pairs of bf16 or four bytes ----

struct Words {
  uint32_t v[16];

  static Words zero() { return {}; }
  // Every lane the four bytes at p, at any address.
  static Words broadcast(const void* p) {
    uint32_t word;
    std::memcpy(&word, p, sizeof word);
    Words r;
    for (uint32_t& lane : r.v) lane = word;
    return r;
  }
  static Words load(const void* p) {
    Words r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  void store(void* p) const { std::memcpy(p, v, sizeof v); }
};

inline Words operator+(Words a, Words b) {
  for (int i = 0; i < 16; i++) a.v[i] += b.v[i];
  return a;
}
inline Words operator-(Words a, Words b) {
  for (int i = 0; i < 16; i++) a.v[i] -= b.v[i];
  return a;
}
// Lane by lane a * b, the low 32 bits.
inline Words operator*(Words a, Words b) {
  for (int i = 0; i < 16; i++) a.v[i] *= b.v[i];
  return a;
}
inline Words broadcast_integer(int32_t x) { return Words::broadcast(&x); }
// s32 to f32, rounded to nearest.
inline Lanes to_float(Words a) {
  return Lanes::make([&](int i) { return static_cast<float>(static_cast<int32_t>(a.v[i])); });
}

// sum + x * w over the four bytes of a lane: u8 in x, s8 in w. Exact.
inline Words dot4(Words sum, Words x, Words w) {
  for (int i = 0; i < 16; i++) {
    for (int byte = 0; byte < 4; byte++) {
      const auto weight = static_cast<int8_t>(w.v[i] >> 8 * byte);
      sum.v[i] += static_cast<uint32_t>(static_cast<int32_t>(x.v[i] >> 8 * byte & 0xFF) * weight);
    }
  }
  return sum;
}
// sum + x * w over the two bf16 of a lane: a fused multiply-add of the odd ones, then of the even ones. Callers set
// the mode in which denormal numbers are zero (FlushDenormals), as it is for the instruction in any case.
inline Lanes dot2(Lanes sum, Words x, Words w) {
  return Lanes::make([&](int i) {
    const auto odd = [](uint32_t word) { return std::bit_cast<float>(word & 0xFFFF0000u); };
    const auto even = [](uint32_t word) { return std::bit_cast<float>(word << 16); };
    return std::fma(even(x.v[i]), even(w.v[i]), std::fma(odd(x.v[i]), odd(w.v[i]), sum.v[i]));
  });
}

// ---- Numbers of 16 and 8 bits in memory ----

// Half precision, widened: exact.
inline Lanes load_f16(const uint16_t* p) {
  return Lanes::make([&](int i) {
    const uint32_t magnitude = p[i] & 0x7FFFu, sign = static_cast<uint32_t>(p[i] & 0x8000u) << 16;
    const float value = magnitude < 0x0400u ? static_cast<float>(magnitude) * 0x1p-24f
                                            : std::bit_cast<float>((magnitude << 13) + (112u << 23));
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  });
}
inline Lanes load_bf16(const BFloat16* p) {
  return Lanes::make([&](int i) { return static_cast<float>(p[i]); });
}
// Rounded as BFloat16(float).
inline void store_bf16(Lanes x, BFloat16* p) {
  for (int i = 0; i < 16; i++) p[i] = BFloat16(x.v[i]);
}
// The low byte of each lane's bits.
inline void store_low_bytes(Lanes x, uint8_t* p) {
  for (int i = 0; i < 16; i++) p[i] = static_cast<uint8_t>(std::bit_cast<uint32_t>(x.v[i]));
}
