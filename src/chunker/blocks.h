// The structure of a document: headings, paragraphs, lists, code and tables, as Markdown marks them or as plain text
// shows them. Start at BlockReader::next.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "bgem3/chunker.h"

namespace bgem3 {

// One line of a text.
struct Line {
  size_t begin = 0;  // of its first byte
  size_t end = 0;    // without its line end (LF, CR LF or CR)
  size_t next = 0;   // where the next one begins
  size_t indent_columns = 0;
  std::string_view content;  // without indentation and trailing white space; empty for a blank line
};

// The line that begins at `begin`, which must not be the text's end.
Line read_line(std::string_view text, size_t begin);

// Whether a line's content begins with a bullet or a number and a space.
bool begins_list_item(std::string_view content);

struct Block {
  ChunkType type = ChunkType::paragraph;
  ByteRange range;           // whole lines: from the first byte of the first to the last one's end
  size_t heading_level = 0;  // 1 to 6 of a heading
  std::string_view title;    // of a heading, without its marks
};

// Reads a document block by block; lines between blocks are blank. Cost: linear, each line is looked at a few times.
class BlockReader {
 public:
  explicit BlockReader(std::string_view text);

  // The next block; empty at the end.
  std::optional<Block> next();

 private:
  bool at_end() const { return !line_; }
  void advance();
  void skip_blank_lines();

  bool begins_table() const;
  bool ends_paragraph() const;
  Block read_fenced_code();
  Block read_table();
  Block read_list();
  Block read_indented_code();
  Block read_paragraph();
  Block read_one_line(ChunkType type);

  std::string_view text_;
  std::optional<Line> line_;   // not read yet; empty at the end
  std::optional<Line> ahead_;  // after it
  bool after_blank_ = true;    // line_ is the first one, or a blank one stands before it
};

}  // namespace bgem3
