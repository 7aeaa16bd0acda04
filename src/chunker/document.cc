#include "chunker/document.h"

#include "tokenizer/graphemes.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

bool is_plain(char c) { return c >= 0x20 && c < 0x7F; }

}  // namespace

Document::Document(std::string_view text) : text_(text), boundaries_(text.size()) {
  size_t at = 0;
  while (at < text.size()) {
    boundaries_.insert(at);
    const bool alone = is_plain(text[at]) && (at + 1 == text.size() || is_plain(text[at + 1]));
    at = alone ? at + 1 : grapheme_cluster_end(text, at);
  }
  boundaries_.insert(at);
  boundaries_.finish();
}

size_t Document::next_boundary(size_t position) const {
  do {
    ++position;
  } while (!boundaries_.contains(position));
  return position;
}

// A cluster of white space is one such character, or CR LF. A space that carries a combining mark is text.

size_t Document::skip_white_space(size_t position, size_t end) const {
  while (position < end) {
    const auto c = utf8::decode(text_, position);
    if (!unicode::is(unicode::kWhiteSpace, c.value)) break;
    const size_t next = position + c.length;
    const bool line_end = c.value == '\r' && next < end && text_[next] == '\n';
    if (!is_boundary(next) && !line_end) break;
    position = next;
  }
  return position;
}

ByteRange Document::trim_end(ByteRange range) const {
  while (range.end > range.begin) {
    size_t last = range.end - 1;
    while (!utf8::is_boundary(text_, last)) --last;
    if (!unicode::is(unicode::kWhiteSpace, utf8::decode(text_, last).value)) break;
    const bool line_end = text_[last] == '\n' && last > range.begin && text_[last - 1] == '\r';
    if (!is_boundary(last) && !line_end) break;
    range.end = last;
  }
  return range;
}

}  // namespace bgem3
