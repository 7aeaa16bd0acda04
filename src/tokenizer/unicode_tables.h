// What the tokenizer knows about code points; the tables are written by tools/make_unicode_tables.py, which says which
// Unicode version each follows and why. Every function takes any value below 0x110000 and takes two memory reads.
#pragma once

#include <cstdint>
#include <span>

namespace bgem3::unicode {

extern const uint16_t kClusterIndex[];
extern const uint8_t kClusterBlocks[];
extern const uint16_t kFlagsIndex[];
extern const uint8_t kFlagsBlocks[];
extern const uint16_t kCombiningClassIndex[];
extern const uint8_t kCombiningClassBlocks[];
extern const uint16_t kDecompositionIndex[];
extern const uint16_t kDecompositionBlocks[];
extern const char32_t kDecompositionPool[];
extern const uint16_t kLowerIndex[];
extern const uint16_t kLowerBlocks[];
extern const char32_t kLowerPool[];

template <typename T>
inline T two_stage(const uint16_t* index, const T* blocks, char32_t c) {
  return blocks[static_cast<uint32_t>(index[c >> 7]) << 7 | (c & 127)];
}

// Grapheme_Cluster_Break, UAX #29.
enum class GraphemeBreak : uint8_t {
  other,
  cr,
  lf,
  control,
  extend,
  zwj,
  regional_indicator,
  prepend,
  spacing_mark,
  l,
  v,
  t,
  lv,
  lvt
};

// Indic_Conjunct_Break, UAX #44.
enum class ConjunctBreak : uint8_t { none, consonant, extend, linker };

// What decides about cluster boundaries.
struct ClusterProperties {
  uint8_t bits;
  GraphemeBreak grapheme() const { return static_cast<GraphemeBreak>(bits & 15); }
  ConjunctBreak conjunct() const { return static_cast<ConjunctBreak>(bits >> 4 & 3); }
  bool pictographic() const { return (bits & 64) != 0; }
};

inline ClusterProperties cluster_properties(char32_t c) { return {two_stage(kClusterIndex, kClusterBlocks, c)}; }

// Bits of one table.
enum CharacterFlag : uint8_t {
  kControl = 1,      // Cc, Cf or Co of Unicode 8
  kMark = 2,         // Mn of Unicode 8
  kPunctuation = 4,  // P* of Unicode 8, and ASCII punctuation
  kWhiteSpace = 8,
  kWord = 16,  // the regex class \w
};

inline bool is(CharacterFlag flag, char32_t c) { return (two_stage(kFlagsIndex, kFlagsBlocks, c) & flag) != 0; }

// Canonical_Combining_Class of Unicode 9; 0 for starters.
inline uint8_t combining_class(char32_t c) { return two_stage(kCombiningClassIndex, kCombiningClassBlocks, c); }

// The full canonical decomposition; empty if the code point stays, and for Hangul syllables (see decompose_hangul).
inline std::span<const char32_t> decomposition(char32_t c) {
  const char32_t* entry = kDecompositionPool + two_stage(kDecompositionIndex, kDecompositionBlocks, c);
  return {entry + 1, *entry};
}

// Lower case letters; empty if the code point stays.
inline std::span<const char32_t> lower_case(char32_t c) {
  const char32_t* entry = kLowerPool + two_stage(kLowerIndex, kLowerBlocks, c);
  return {entry + 1, *entry};
}

}  // namespace bgem3::unicode
