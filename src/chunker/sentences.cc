#include "chunker/sentences.h"

#include "chunker/break_tables.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

using unicode::SentenceBreak;

namespace {

SentenceBreak class_of(char32_t c, LineEnd line_end) {
  const SentenceBreak found = unicode::sentence_break(c);
  const bool line = found == SentenceBreak::cr || found == SentenceBreak::lf;
  return line && line_end == LineEnd::space ? SentenceBreak::sp : found;
}

bool is_separator(SentenceBreak c) {
  return c == SentenceBreak::sep || c == SentenceBreak::cr || c == SentenceBreak::lf;
}

bool is_terminator(SentenceBreak c) { return c == SentenceBreak::a_term || c == SentenceBreak::s_term; }

bool is_skipped(SentenceBreak c) { return c == SentenceBreak::extend || c == SentenceBreak::format; }  // SB5

// SB8: after a full stop the sentence goes on if the next letter is a small one.
bool goes_on_in_lower_case(std::string_view text, size_t at, LineEnd line_end) {
  while (at < text.size()) {
    const auto next = utf8::decode(text, at);
    const SentenceBreak c = class_of(next.value, line_end);
    if (c == SentenceBreak::lower) return true;
    if (c == SentenceBreak::upper || c == SentenceBreak::o_letter || is_separator(c) || is_terminator(c)) return false;
    at += next.length;
  }
  return false;
}

// The end of a sentence as far as it has come: SATerm Close* Sp*.
struct Ending {
  enum class Stage { none, terminator, close, space } stage = Stage::none;
  bool full_stop = false;      // the terminator is an ATerm
  bool letter_before = false;  // and stands behind a letter with case

  void add(SentenceBreak c, SentenceBreak before) {
    if (is_terminator(c)) {
      stage = Stage::terminator;
      full_stop = c == SentenceBreak::a_term;
      letter_before = before == SentenceBreak::upper || before == SentenceBreak::lower;
    } else if (c == SentenceBreak::close && (stage == Stage::terminator || stage == Stage::close)) {
      stage = Stage::close;
    } else if (c == SentenceBreak::sp && stage != Stage::none) {
      stage = Stage::space;
    } else {
      stage = Stage::none;
    }
  }
};

}  // namespace

size_t sentence_end(std::string_view text, size_t begin, LineEnd line_end) {
  using enum SentenceBreak;
  const auto first = utf8::decode(text, begin);
  SentenceBreak previous = class_of(first.value, line_end);  // without what SB5 skips
  size_t at = begin + first.length;
  Ending ending;
  ending.add(previous, other);
  while (at < text.size()) {
    const auto next = utf8::decode(text, at);
    const SentenceBreak c = class_of(next.value, line_end);
    if (is_separator(previous) && !(previous == cr && c == lf)) return at;  // SB3, SB4
    if (!is_skipped(c)) {
      if (ending.stage != Ending::Stage::none && !is_separator(c)) {
        const bool directly = ending.stage == Ending::Stage::terminator && ending.full_stop;
        const bool joins = (directly && c == numeric) ||                                       // SB6
                           (directly && ending.letter_before && c == upper) ||                 // SB7
                           c == s_continue || is_terminator(c) ||                              // SB8a
                           (c == close && ending.stage != Ending::Stage::space) || c == sp ||  // SB9, SB10
                           (ending.full_stop && goes_on_in_lower_case(text, at, line_end));    // SB8
        if (!joins) return at;                                                                 // SB11
      }
      ending.add(c, previous);
      previous = c;
    }
    at += next.length;
  }
  return at;
}

}  // namespace bgem3
