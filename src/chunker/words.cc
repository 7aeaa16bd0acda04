#include "chunker/words.h"

#include "chunker/break_tables.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

using unicode::WordBreak;

namespace {

using enum WordBreak;

bool is_line_end(WordBreak c) { return c == cr || c == lf || c == newline; }
bool is_skipped(WordBreak c) { return c == extend || c == format || c == zwj; }  // WB4
bool is_letter(WordBreak c) { return c == a_letter || c == hebrew_letter; }
bool joins_letters(WordBreak c) { return c == mid_letter || c == mid_num_let || c == single_quote; }
bool joins_digits(WordBreak c) { return c == mid_num || c == mid_num_let || c == single_quote; }

// The class of the first character from `at` on that is not skipped.
WordBreak class_ahead(std::string_view text, size_t at) {
  while (at < text.size()) {
    const auto next = utf8::decode(text, at);
    const WordBreak c = unicode::word_break(next.value);
    if (!is_skipped(c)) return c;
    at += next.length;
  }
  return other;
}

// WB5 to WB13b: whether `left` and `right` stay together; `before` stands before `left`, and `right` ends at `end`.
bool joins(WordBreak before, WordBreak left, WordBreak right, std::string_view text, size_t end) {
  if ((is_letter(left) || left == numeric) && (is_letter(right) || right == numeric)) return true;
  if (is_letter(left) && joins_letters(right) && is_letter(class_ahead(text, end))) return true;
  if (is_letter(before) && joins_letters(left) && is_letter(right)) return true;
  if (left == hebrew_letter && right == single_quote) return true;
  if (left == hebrew_letter && right == double_quote && class_ahead(text, end) == hebrew_letter) return true;
  if (before == hebrew_letter && left == double_quote && right == hebrew_letter) return true;
  if (before == numeric && joins_digits(left) && right == numeric) return true;
  if (left == numeric && joins_digits(right) && class_ahead(text, end) == numeric) return true;
  if (left == katakana && right == katakana) return true;
  const bool left_in_name = is_letter(left) || left == numeric || left == katakana || left == extend_num_let;
  const bool right_in_name = is_letter(right) || right == numeric || right == katakana || right == extend_num_let;
  return left_in_name && right_in_name && (left == extend_num_let || right == extend_num_let);
}

}  // namespace

size_t word_end(std::string_view text, size_t begin) {
  const auto first = utf8::decode(text, begin);
  WordBreak last = unicode::word_break(first.value);  // character by character
  WordBreak left = last, before = other;              // without what WB4 skips
  bool odd_regional = left == regional_indicator;
  size_t at = begin + first.length;
  while (at < text.size()) {
    const auto next = utf8::decode(text, at);
    const WordBreak right = unicode::word_break(next.value);
    if (is_line_end(last) || is_line_end(right)) {  // WB3, WB3a, WB3b
      if (last != cr || right != lf) return at;
    } else if ((last == zwj && unicode::cluster_properties(next.value).pictographic()) ||  // WB3c
               (last == wseg_space && right == wseg_space) || is_skipped(right)) {         // WB3d, WB4
    } else if (left == regional_indicator && right == regional_indicator) {                // WB15, WB16
      if (!odd_regional) return at;
    } else if (!joins(before, left, right, text, at + next.length)) {
      return at;
    }
    if (!is_skipped(right)) {
      before = left;
      left = right;
      odd_regional = right == regional_indicator && !odd_regional;
    }
    last = right;
    at += next.length;
  }
  return at;
}

}  // namespace bgem3
