#include "tokenizer/graphemes.h"

#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

using unicode::ConjunctBreak;
using unicode::GraphemeBreak;

namespace {

// How far the characters so far have come in the three patterns that reach back further than one character.
struct ClusterState {
  enum class Pictographic { none, begun, joiner } pictographic = Pictographic::none;  // GB11: ExtPict Extend* ZWJ
  enum class Conjunct { none, consonant, linker } conjunct = Conjunct::none;  // GB9c: Consonant [Extend Linker]* Linker
  bool odd_regional = false;                                                  // GB12: an odd number of them

  void add(unicode::ClusterProperties c) {
    const GraphemeBreak grapheme = c.grapheme();
    if (c.pictographic()) {
      pictographic = Pictographic::begun;
    } else if (pictographic == Pictographic::begun && grapheme == GraphemeBreak::zwj) {
      pictographic = Pictographic::joiner;
    } else if (pictographic != Pictographic::begun || grapheme != GraphemeBreak::extend) {
      pictographic = Pictographic::none;
    }
    if (c.conjunct() == ConjunctBreak::consonant) {
      conjunct = Conjunct::consonant;
    } else if (c.conjunct() == ConjunctBreak::none) {
      conjunct = Conjunct::none;
    } else if (c.conjunct() == ConjunctBreak::linker && conjunct != Conjunct::none) {
      conjunct = Conjunct::linker;
    }
    odd_regional = grapheme == GraphemeBreak::regional_indicator && !odd_regional;
  }
};

bool is_control(GraphemeBreak c) {
  return c == GraphemeBreak::control || c == GraphemeBreak::cr || c == GraphemeBreak::lf;
}

// Whether there is no boundary between `left` and `right`; `state` holds everything up to `left`.
bool joins(GraphemeBreak left, unicode::ClusterProperties right_properties, const ClusterState& state) {
  using enum GraphemeBreak;
  const GraphemeBreak right = right_properties.grapheme();
  if (is_control(left) || is_control(right)) return left == cr && right == lf;
  if (right == extend || right == zwj || right == spacing_mark || left == prepend) return true;
  if (left == l) return right == l || right == v || right == lv || right == lvt;
  if (left == lv || left == v) return right == v || right == t;
  if (left == lvt || left == t) return right == t;
  if (right == regional_indicator) return state.odd_regional;
  if (right_properties.conjunct() == ConjunctBreak::consonant) return state.conjunct == ClusterState::Conjunct::linker;
  return right_properties.pictographic() && state.pictographic == ClusterState::Pictographic::joiner;
}

}  // namespace

size_t grapheme_cluster_end(std::string_view text, size_t begin) {
  const auto first = utf8::decode(text, begin);
  unicode::ClusterProperties left = unicode::cluster_properties(first.value);
  size_t end = begin + first.length;
  ClusterState state;
  state.add(left);
  while (end < text.size()) {
    const auto next = utf8::decode(text, end);
    const unicode::ClusterProperties right = unicode::cluster_properties(next.value);
    if (!joins(left.grapheme(), right, state)) break;
    state.add(right);
    left = right;
    end += next.length;
  }
  return end;
}

}  // namespace bgem3
