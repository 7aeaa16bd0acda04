// Pieces of a document put together to chunks: which pieces each takes. Start at Assembly::run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "chunker/blocks.h"
#include "chunker/document.h"
#include "chunker/measure.h"
#include "chunker/pieces.h"

namespace bgem3 {

// A chunk to be.
struct Span {
  ByteRange range;  // with what it repeats of the one before
  size_t size = 0;  // exactly
  ChunkType type = ChunkType::paragraph;
  std::vector<std::string> heading_path = {};
};

class Assembly {
 public:
  // All must outlive this object.
  Assembly(const Document& document, const Measure& measure, const ChunkingConfig& config);

  // The chunks, in the document's order. Called once.
  std::vector<Span> run();

 private:
  // The pieces [first, end) of taken_.
  struct Draft {
    size_t first = 0;
    size_t end = 0;
    size_t size = 0;  // exactly
  };
  struct Heading {
    std::string_view title;
    size_t level = 0;
    uint32_t parent = 0;
  };

  bool read_block();
  uint32_t enter_section(const Block& heading);

  Draft take();
  size_t choose(size_t limit, size_t most_pieces);
  Boundary boundary_after(size_t pieces) const;
  bool split_ahead(size_t index, Boundary weakest);

  void join_small(std::vector<Draft>& drafts) const;
  bool join(Draft& left, const Draft& right) const;
  bool is_small(const Draft& draft) const { return draft.size < config_.min_chunk_size; }
  Boundary before(const Draft& draft) const { return taken_[draft.first].before; }

  ByteRange range(size_t first, size_t end) const { return {taken_[first].range.begin, taken_[end - 1].range.end}; }
  Span with_overlap(const Draft* previous, const Draft& draft) const;
  ChunkType type(const Draft& draft) const;
  std::vector<std::string> heading_path(const Draft& draft) const;

  const Document& document_;
  const Measure& measure_;
  const ChunkingConfig& config_;
  size_t most_;  // size of a chunk without what it repeats
  PieceCutter cutter_;
  BlockReader reader_;
  std::deque<Piece> ahead_;  // read and not yet taken
  std::vector<Piece> taken_;
  std::vector<Heading> headings_;   // the first one is the document
  std::vector<uint32_t> sections_;  // of each block: its place in headings_
  bool after_heading_ = false;      // the last block read is one
};

}  // namespace bgem3
