// Blocks cut into pieces: what a chunk takes as a whole. Start at PieceCutter::cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "chunker/blocks.h"
#include "chunker/document.h"
#include "chunker/measure.h"

namespace bgem3 {

// What stands between two pieces, weakest first.
enum class Boundary : uint8_t {
  code_point,  // inside of a cluster that alone exceeds the maximum
  cluster,     // inside of such a word
  word,        // between words without white space
  space,       // white space inside of a sentence
  title,       // between a heading and its text
  sentence,
  item,   // a list item, a row of a table, a line of code
  block,  // a paragraph, list, table, piece of code
  section,
};

struct Piece {
  ByteRange range;  // without white space at its ends, but for the indentation of code
  Boundary before = Boundary::section;
  Boundary inside = Boundary::code_point;  // the strongest that may be in it
  ChunkType type = ChunkType::paragraph;
  uint32_t block = 0;  // its number in the document
};

class PieceCutter {
 public:
  // `limit` is the largest estimate of a piece, `grain` that of several words that are kept together where a sentence
  // must be cut. The document and the measure must outlive this object.
  PieceCutter(const Document& document, const Measure& measure, size_t limit, size_t grain)
      : document_(document), measure_(measure), limit_(limit), grain_(grain) {}

  // The pieces of a block: sentences of a paragraph, list items, rows of a table, lines of code, a heading. Those above
  // the limit are cut further, at the strongest boundaries inside.
  std::vector<Piece> cut(const Block& block, uint32_t number, Boundary before) const;

  // The parts of a piece at the strongest boundaries inside; neighbours stay together up to `grain` (but sentences and
  // items never do). Two or more, or one that has lost the indentation of code; none for a single code point.
  std::vector<Piece> split(const Piece& piece, size_t grain) const;

 private:
  std::vector<Piece> split_at(const Piece& piece, Boundary boundary, size_t grain) const;
  size_t part_end(size_t begin, const Piece& piece, Boundary boundary) const;
  void append_below_limit(const Piece& piece, std::vector<Piece>& pieces) const;

  const Document& document_;
  const Measure& measure_;
  size_t limit_;
  size_t grain_;
};

}  // namespace bgem3
