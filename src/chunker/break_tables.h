// Word_Break and Sentence_Break of every code point (UAX #29 of Unicode 16); the tables are written by
// tools/make_unicode_tables.py. Both functions take any value below 0x110000 and take two memory reads.
#pragma once

#include <cstdint>

#include "tokenizer/unicode_tables.h"

namespace bgem3::unicode {

extern const uint16_t kWordIndex[];
extern const uint8_t kWordBlocks[];
extern const uint16_t kSentenceIndex[];
extern const uint8_t kSentenceBlocks[];

enum class WordBreak : uint8_t {
  other,
  cr,
  lf,
  newline,
  extend,
  zwj,
  format,
  regional_indicator,
  katakana,
  hebrew_letter,
  a_letter,
  single_quote,
  double_quote,
  mid_num_let,
  mid_letter,
  mid_num,
  numeric,
  extend_num_let,
  wseg_space
};

enum class SentenceBreak : uint8_t {
  other,
  cr,
  lf,
  sep,
  extend,
  format,
  sp,
  lower,
  upper,
  o_letter,
  numeric,
  a_term,
  s_continue,
  s_term,
  close
};

inline WordBreak word_break(char32_t c) { return static_cast<WordBreak>(two_stage(kWordIndex, kWordBlocks, c)); }

inline SentenceBreak sentence_break(char32_t c) {
  return static_cast<SentenceBreak>(two_stage(kSentenceIndex, kSentenceBlocks, c));
}

}  // namespace bgem3::unicode
