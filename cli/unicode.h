// UTF-8 for people and for JSON: one decoding step, and text made safe for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bgem3::cli {

struct CodePoint {
  char32_t value;  // U+FFFD if the bytes are ill-formed
  size_t bytes;    // at least 1; of an ill-formed part: its maximal length (Unicode, section 3.9, table 3-8)
  bool valid;
};

// The code point that begins at byte `at`, which must lie inside the text.
CodePoint decode_utf8(std::string_view text, size_t at);

void append_utf8(std::string& out, char32_t code_point);

// Byte offset of the first ill-formed part; npos if the text is UTF-8.
size_t find_invalid_utf8(std::string_view text);

// The text in one line that cannot move the cursor, change colours or reorder what is around it: control characters,
// bidi controls and ill-formed bytes become \n, \t, \x1b, \u{202e}. At most `limit` code points, then "...".
std::string printable(std::string_view text, size_t limit = SIZE_MAX);

}  // namespace bgem3::cli
