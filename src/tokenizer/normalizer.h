// The normalizers of a tokenizer.json: each makes a text from a text, and keeps track of where every character came
// from exactly as the Hugging Face library does. Start at Normalizer.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/aligned_text.h"
#include "tokenizer/charsmap.h"

namespace bgem3 {

// "Precompiled": a sentencepiece character map, looked up as the Hugging Face library does it: a grapheme cluster of
// less than 6 bytes whole (if it begins with a key, the whole cluster is replaced), else its characters one by one.
class PrecompiledNormalizer {
 public:
  explicit PrecompiledNormalizer(Charsmap charsmap);
  const Charsmap& charsmap() const { return charsmap_; }
  // Whether `output` was made; if not, the text stays as it is.
  bool normalize(const AlignedView& input, AlignedText& output) const;

 private:
  Charsmap charsmap_;
  std::array<bool, 128> plain_;  // ASCII characters that stay, and never join the one before or (if ASCII) after
};

// "Replace": every occurrence of a string, from the left, or every run of two or more spaces (the regex ` {2,}`, the
// only one that is run).
struct ReplaceNormalizer {
  std::string pattern;  // empty: the runs of spaces
  std::string content;
  bool normalize(const AlignedView& input, AlignedText& output) const;
};

// "BertNormalizer" with its flags, and "Lowercase", which is its last step alone.
class BertNormalizer {
 public:
  struct Flags {
    bool clean_text;
    bool handle_chinese_chars;
    bool strip_accents;
    bool lowercase;
  };
  explicit BertNormalizer(Flags flags);
  const Flags& flags() const { return flags_; }
  bool normalize(const AlignedView& input, AlignedText& output) const;

 private:
  Flags flags_;
  std::array<unsigned char, 128> ascii_;  // what an ASCII character becomes; kDropped if nothing
};

using NormalizerStep = std::variant<PrecompiledNormalizer, ReplaceNormalizer, BertNormalizer>;

// The steps of a file one after the other. Immutable.
class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {}
  const std::vector<NormalizerStep>& steps() const { return steps_; }

  // The normalised text: the input itself, or in one of the two buffers. Linear in the size of the text.
  AlignedView normalize(AlignedView text, std::array<AlignedText, 2>& buffers) const;

  // The same without sources.
  std::string normalize(std::string_view text) const;

 private:
  std::vector<NormalizerStep> steps_;
};

}  // namespace bgem3
