// The pre-tokenizers of a tokenizer.json: they cut a normalised text into words. Start at PreTokenizer::split.
#pragma once

#include <array>
#include <string>
#include <variant>
#include <vector>

#include "tokenizer/aligned_text.h"

namespace bgem3 {

// Bytes [begin, end) of a text.
using Word = ByteRange;

// "Metaspace": spaces become a replacement character, one is put in front, and each begins a new word.
struct MetaspacePreTokenizer {
  enum class Prepend { always, first, never };  // first: only where the word begins with the text's first byte
  std::string replacement;                      // one character
  Prepend prepend;
  bool split;
};

// "WhitespaceSplit": words are what stands between white space.
struct WhitespaceSplitPreTokenizer {};

// "BertPreTokenizer": the same, and each punctuation character is a word of its own.
struct BertPreTokenizer {};

using PreTokenizerStep = std::variant<MetaspacePreTokenizer, WhitespaceSplitPreTokenizer, BertPreTokenizer>;

// The steps of a file one after the other; each cuts the words of the step before. Immutable.
class PreTokenizer {
 public:
  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<PreTokenizerStep> steps) : steps_(std::move(steps)) {}
  const std::vector<PreTokenizerStep>& steps() const { return steps_; }

  // Fills `words` with the words of the text that is returned: `text` itself, or one made in one of the buffers.
  AlignedView split(AlignedView text, std::array<AlignedText, 2>& buffers, std::vector<Word>& words) const;

 private:
  std::vector<PreTokenizerStep> steps_;
};

}  // namespace bgem3
