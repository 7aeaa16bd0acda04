#include "chunker/pieces.h"

#include <algorithm>

#include "chunker/sentences.h"
#include "chunker/words.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

// What a piece of this type is cut at where there is no such boundary in it.
Boundary next_weaker(Boundary boundary, ChunkType type) {
  switch (boundary) {
    case Boundary::item:
      return type == ChunkType::list ? Boundary::sentence : Boundary::space;
    case Boundary::sentence:
      return Boundary::space;
    case Boundary::space:
      return Boundary::word;
    case Boundary::word:
      return Boundary::cluster;
    default:
      return Boundary::code_point;
  }
}

}  // namespace

std::vector<Piece> PieceCutter::cut(const Block& block, uint32_t number, Boundary before) const {
  Piece whole;
  whole.range = block.type == ChunkType::code ? document_.trim_end(block.range) : document_.trim(block.range);
  whole.before = before;
  whole.type = block.type;
  whole.block = number;
  const bool in_sentences = block.type == ChunkType::paragraph || block.type == ChunkType::heading;
  whole.inside = in_sentences ? Boundary::sentence : Boundary::item;

  std::vector<Piece> pieces;
  if (block.type == ChunkType::heading) {
    append_below_limit(whole, pieces);
  } else {
    for (const Piece& piece : split_at(whole, whole.inside, 0)) append_below_limit(piece, pieces);
  }
  return pieces;
}

void PieceCutter::append_below_limit(const Piece& piece, std::vector<Piece>& pieces) const {
  if (measure_.estimate(piece.range) > limit_) {
    const std::vector<Piece> parts = split(piece, grain_);
    for (const Piece& part : parts) append_below_limit(part, pieces);
    if (!parts.empty()) return;
  }
  pieces.push_back(piece);
}

std::vector<Piece> PieceCutter::split(const Piece& piece, size_t grain) const {
  for (Boundary boundary = piece.inside;; boundary = next_weaker(boundary, piece.type)) {
    std::vector<Piece> parts = split_at(piece, boundary, grain);
    if (parts.size() > 1 || (parts.size() == 1 && parts[0].range != piece.range)) return parts;
    if (boundary == Boundary::code_point) return {};
  }
}

std::vector<Piece> PieceCutter::split_at(const Piece& piece, Boundary boundary, size_t grain) const {
  std::vector<Piece> parts;
  for (size_t begin = piece.range.begin, end; begin < piece.range.end; begin = end) {
    end = part_end(begin, piece, boundary);
    Piece part = piece;
    part.range = {begin, end};
    if (boundary != Boundary::code_point) {  // those may lie inside of a cluster
      const bool indented = piece.type == ChunkType::code && (boundary == Boundary::item || begin == piece.range.begin);
      part.range = indented ? document_.trim_end(part.range) : document_.trim(part.range);
    }
    if (document_.skip_white_space(part.range.begin, part.range.end) == part.range.end) continue;
    if (boundary < Boundary::sentence && !parts.empty() &&
        measure_.estimate({parts.back().range.begin, part.range.end}) <= grain) {
      parts.back().range.end = part.range.end;
      parts.back().inside = boundary;
      continue;
    }
    part.inside = next_weaker(boundary, piece.type);
    if (!parts.empty()) part.before = boundary;
    parts.push_back(part);
  }
  return parts;
}

// The end of the part that begins at `begin`. White space around it is trimmed later.
size_t PieceCutter::part_end(size_t begin, const Piece& piece, Boundary boundary) const {
  const std::string_view text = document_.text().substr(0, piece.range.end);
  size_t at = begin;
  switch (boundary) {
    case Boundary::item:
      at = read_line(text, at).next;
      while (piece.type == ChunkType::list && at < text.size()) {
        const Line line = read_line(text, at);
        if (begins_list_item(line.content)) break;
        at = line.next;
      }
      return at;
    case Boundary::sentence:
      do {
        at = sentence_end(text, at, LineEnd::space);
      } while (!document_.is_boundary(at));
      return at;
    case Boundary::space:
      at = document_.skip_white_space(at, text.size());
      while (at < text.size() && document_.skip_white_space(at, text.size()) == at) at = document_.next_boundary(at);
      return at;
    case Boundary::word:
      do {
        at = word_end(text, at);
      } while (!document_.is_boundary(at));
      return at;
    case Boundary::cluster:
      return document_.next_boundary(at);
    default:
      return at + utf8::length(text[at]);
  }
}

}  // namespace bgem3
