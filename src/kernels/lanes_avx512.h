// Sixteen f32 lanes as one AVX-512 register. Members: see lanes_scalar.h.

struct Lanes {
  __m512 v;

  static Lanes broadcast(float x) { return {_mm512_set1_ps(x)}; }
  static Lanes load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static __mmask16 first(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static Lanes load_first(const float* p, size_t n, float fill) {
    return {_mm512_mask_loadu_ps(_mm512_set1_ps(fill), first(n), p)};
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_first(float* p, size_t n) const { _mm512_mask_storeu_ps(p, first(n), v); }
};

inline Lanes operator+(Lanes x, Lanes y) { return {_mm512_add_ps(x.v, y.v)}; }
inline Lanes operator-(Lanes x, Lanes y) { return {_mm512_sub_ps(x.v, y.v)}; }
inline Lanes operator*(Lanes x, Lanes y) { return {_mm512_mul_ps(x.v, y.v)}; }
inline Lanes operator/(Lanes x, Lanes y) { return {_mm512_div_ps(x.v, y.v)}; }
inline Lanes fma(Lanes x, Lanes y, Lanes z) { return {_mm512_fmadd_ps(x.v, y.v, z.v)}; }
inline Lanes max(Lanes x, Lanes y) { return {_mm512_max_ps(x.v, y.v)}; }
inline Lanes min(Lanes x, Lanes y) { return {_mm512_min_ps(x.v, y.v)}; }
inline Lanes abs(Lanes x) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), x.v)}; }
inline Lanes select_less(Lanes p, Lanes q, Lanes x, Lanes y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(p.v, q.v, _CMP_LT_OQ), y.v, x.v)};
}
inline Lanes scale_by_power(Lanes x, Lanes t) {
  return {
      _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x.v), _mm512_slli_epi32(_mm512_castps_si512(t.v), 23)))};
}
inline Lanes nearest_integer(Lanes x) {
  return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Lanes times_power(Lanes x, Lanes n) { return {_mm512_scalef_ps(x.v, n.v)}; }
inline float sum(Lanes x) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline float maximum(Lanes x) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

struct Words {
  __m512i v;

  static Words zero() { return {_mm512_setzero_si512()}; }
  static Words broadcast(const void* p) {
    int word;
    std::memcpy(&word, p, sizeof word);
    return {_mm512_set1_epi32(word)};
  }
  static Words load(const void* p) { return {_mm512_loadu_si512(p)}; }
  void store(void* p) const { _mm512_storeu_si512(p, v); }
};

inline Words operator+(Words x, Words y) { return {_mm512_add_epi32(x.v, y.v)}; }
inline Words operator-(Words x, Words y) { return {_mm512_sub_epi32(x.v, y.v)}; }
inline Words operator*(Words x, Words y) { return {_mm512_mullo_epi32(x.v, y.v)}; }
inline Words broadcast_integer(int32_t x) { return {_mm512_set1_epi32(x)}; }
inline Lanes to_float(Words x) { return {_mm512_cvtepi32_ps(x.v)}; }

// kHasVnni and kHasBf16 are those of the including file. The instructions are written out: GCC 12 keeps the sums of its
// own intrinsics in memory and loses more than half the speed.
inline Words dot4(Words sum, Words x, Words w) {
  if constexpr (kHasVnni) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(x.v), "v"(w.v));
    return sum;
  } else {  // bytes are widened to 16 bits first: the older instruction for bytes saturates its pair sums
    const __m512i x_even = _mm512_and_si512(x.v, _mm512_set1_epi16(0xFF)), x_odd = _mm512_srli_epi16(x.v, 8);
    const __m512i w_even = _mm512_srai_epi16(_mm512_slli_epi16(w.v, 8), 8), w_odd = _mm512_srai_epi16(w.v, 8);
    sum.v = _mm512_add_epi32(sum.v, _mm512_madd_epi16(x_even, w_even));
    return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(x_odd, w_odd))};
  }
}
inline __m512 odd(__m512i x) { return _mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(-0x10000))); }
inline __m512 even(__m512i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16)); }
inline Lanes dot2(Lanes sum, Words x, Words w) {
  if constexpr (kHasBf16) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.v) : "v"(x.v), "v"(w.v));
    return sum;
  } else {
    sum.v = _mm512_fmadd_ps(odd(x.v), odd(w.v), sum.v);
    return {_mm512_fmadd_ps(even(x.v), even(w.v), sum.v)};
  }
}

inline Lanes load_f16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline Lanes load_bf16(const BFloat16* p) {
  return {even(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))))};
}
inline void store_bf16(Lanes x, BFloat16* p) {
  __m256i packed;
  if constexpr (kHasBf16) {
    asm("vcvtneps2bf16 %1, %0" : "=v"(packed) : "v"(x.v));
  } else {
    const __m512i bits = _mm512_castps_si512(x.v);
    const __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(0x7FFFFFFF));
    const __m512i last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), last);
    const __mmask16 tiny = _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(0x00800000));
    rounded = _mm512_mask_and_epi32(rounded, tiny, bits, _mm512_set1_epi32(INT32_MIN));
    const __mmask16 nan = _mm512_cmpgt_epi32_mask(magnitude, _mm512_set1_epi32(0x7F800000));
    rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    packed = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
}
inline void store_low_bytes(Lanes x, uint8_t* p) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_castps_si512(x.v)));
}
