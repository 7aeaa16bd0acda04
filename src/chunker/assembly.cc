#include "chunker/assembly.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace bgem3 {

namespace {

// Where a chunk may end: after so many pieces.
struct Cut {
  size_t pieces = 0;  // 0: nowhere
  Boundary boundary = Boundary::code_point;

  // Keeps the stronger of two, of equal ones the later.
  void offer(size_t other, Boundary other_boundary) {
    if (pieces == 0 || other_boundary >= boundary) *this = {other, other_boundary};
  }
};

}  // namespace

Assembly::Assembly(const Document& document, const Measure& measure, const ChunkingConfig& config)
    : document_(document),
      measure_(measure),
      config_(config),
      most_(config.max_chunk_size - config.overlap),
      cutter_(document, measure, most_ - measure.fixed(), std::max<size_t>(config.target_chunk_size / 8, 1)),
      reader_(document.text()),
      headings_(1) {}

std::vector<Span> Assembly::run() {
  std::vector<Draft> drafts;
  while (!ahead_.empty() || read_block()) drafts.push_back(take());
  join_small(drafts);
  std::vector<Span> spans;
  for (size_t i = 0; i < drafts.size(); ++i) {
    spans.push_back(with_overlap(i == 0 ? nullptr : &drafts[i - 1], drafts[i]));
    spans.back().type = type(drafts[i]);
    spans.back().heading_path = heading_path(drafts[i]);
  }
  return spans;
}

// Puts the pieces of the next block into ahead_; false at the end of the document.
bool Assembly::read_block() {
  const std::optional<Block> block = reader_.next();
  if (!block) return false;
  const bool is_heading = block->heading_level > 0;
  const Boundary before = after_heading_ ? Boundary::title : is_heading ? Boundary::section : Boundary::block;
  const uint32_t section = is_heading ? enter_section(*block) : sections_.empty() ? 0 : sections_.back();
  for (const Piece& piece : cutter_.cut(*block, static_cast<uint32_t>(sections_.size()), before)) {
    ahead_.push_back(piece);
  }
  sections_.push_back(section);
  after_heading_ = is_heading;
  return true;
}

uint32_t Assembly::enter_section(const Block& heading) {
  uint32_t parent = sections_.empty() ? 0 : sections_.back();
  while (headings_[parent].level >= heading.heading_level) parent = headings_[parent].parent;
  headings_.push_back({heading.title, heading.heading_level, parent});
  return static_cast<uint32_t>(headings_.size() - 1);
}

// Takes the next chunk's pieces. Chosen by estimate, checked exactly; an estimate that was too low is corrected.
Assembly::Draft Assembly::take() {
  const size_t full = most_ - measure_.fixed();
  size_t limit = full, most_pieces = SIZE_MAX;
  while (true) {
    const size_t pieces = choose(limit, most_pieces);
    // A heading does not stand alone because what follows is large.
    if (limit == full && boundary_after(pieces) == Boundary::title && ahead_[pieces].type != ChunkType::heading &&
        split_ahead(pieces, Boundary::word)) {
      continue;
    }
    const ByteRange range{ahead_.front().range.begin, ahead_[pieces - 1].range.end};
    const size_t size = measure_.exact(range);
    if (size <= most_) {
      const size_t first = taken_.size();
      taken_.insert(taken_.end(), ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(pieces));
      ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(pieces));
      return {first, taken_.size(), size};
    }
    if (pieces > 1) {
      limit = measure_.estimate(range) * full / (size - measure_.fixed());
      most_pieces = pieces - std::max<size_t>(pieces / 8, 1);
    } else if (split_ahead(0, Boundary::code_point)) {
      limit = full;
      most_pieces = SIZE_MAX;
    } else {
      fail<InvalidInputError>(ErrorCode::invalid_input,
                              "text: byte {}: one character has {} {}, more than max_chunk_size {} less overlap {}; "
                              "choose a larger max_chunk_size",
                              range.begin, size, config_.unit, config_.max_chunk_size, config_.overlap);
    }
  }
}

Boundary Assembly::boundary_after(size_t pieces) const {
  return pieces < ahead_.size() ? ahead_[pieces].before : Boundary::section;
}

// How many pieces the next chunk takes: as many as to the end of the section, if they fit. Else to the strongest
// boundary in the upper half of the target, to the first sentence's end above the target, to a weaker boundary in the
// upper half, or to the strongest one below. `limit` is for the estimate.
size_t Assembly::choose(size_t limit, size_t most_pieces) {
  Cut upper, lower;
  size_t above = 0;
  const size_t half = std::max(config_.min_chunk_size, config_.target_chunk_size / 2);
  for (size_t pieces = 1; pieces <= most_pieces; ++pieces) {
    while (ahead_.size() <= pieces && read_block()) {
    }
    const size_t estimate = measure_.estimate({ahead_.front().range.begin, ahead_[pieces - 1].range.end});
    if (pieces > 1 && estimate > limit) break;
    const size_t size = estimate + measure_.fixed();
    const Boundary boundary = boundary_after(pieces);
    if (boundary == Boundary::section && (size >= config_.min_chunk_size || pieces == ahead_.size())) return pieces;
    if (size < half) {
      lower.offer(pieces, boundary);
    } else if (size <= config_.target_chunk_size) {
      upper.offer(pieces, boundary);
    } else if (above == 0 && boundary >= Boundary::sentence) {
      above = pieces;
    }
  }
  if (upper.pieces > 0 && (upper.boundary >= Boundary::sentence || above == 0)) return upper.pieces;
  if (above > 0) return above;
  return std::max<size_t>(lower.pieces, 1);
}

// Replaces a piece of ahead_ by its parts; false if it has none, or none at boundaries as strong as `weakest`.
bool Assembly::split_ahead(size_t index, Boundary weakest) {
  const auto place = ahead_.begin() + static_cast<std::ptrdiff_t>(index);
  const std::vector<Piece> parts = cutter_.split(*place, measure_.estimate(place->range) / 2);
  if (parts.empty() || parts.back().before < weakest) return false;
  ahead_.insert(ahead_.erase(place), parts.begin(), parts.end());
  return true;
}

bool Assembly::join(Draft& left, const Draft& right) const {
  const size_t size = measure_.exact(range(left.first, right.end));
  if (size > config_.max_chunk_size) return false;
  left = {left.first, right.end, size};
  return true;
}

// Joins chunks below the minimum with a neighbour where both fit: with the one that a weaker boundary divides it from.
void Assembly::join_small(std::vector<Draft>& drafts) const {
  std::vector<Draft> joined;
  for (size_t i = 0; i < drafts.size(); ++i) {
    Draft draft = drafts[i];
    if (!joined.empty() && is_small(draft) && !is_small(joined.back()) && i + 1 < drafts.size() &&
        before(drafts[i + 1]) < before(draft) && join(draft, drafts[i + 1])) {
      ++i;
    }
    const bool small = !joined.empty() && (is_small(draft) || is_small(joined.back()));
    if (!small || !join(joined.back(), draft)) joined.push_back(draft);
  }
  drafts = std::move(joined);
}

// The span of a draft with what it repeats of the one before.
Span Assembly::with_overlap(const Draft* previous, const Draft& draft) const {
  Span span{range(draft.first, draft.end), draft.size};
  if (!previous || config_.overlap == 0 || before(draft) == Boundary::section) return span;

  // Where it could begin, farthest first: at sentences, else at the strongest boundaries that are near enough.
  std::vector<size_t> begins;
  const auto add = [&](const Piece& piece) {
    const bool near = measure_.estimate({piece.range.begin, span.range.begin}) <= config_.overlap;
    if (near && piece.before >= Boundary::word) begins.push_back(piece.range.begin);
  };
  for (size_t p = previous->first + 1; p < previous->end; ++p) {
    if (taken_[p].before >= Boundary::sentence) add(taken_[p]);
  }
  for (size_t p = previous->first + 1; p < previous->end && begins.empty(); ++p) add(taken_[p]);
  for (Piece last = taken_[previous->end - 1]; begins.empty();) {
    const std::vector<Piece> parts = cutter_.split(last, 0);
    if (parts.empty()) break;
    std::for_each(parts.begin() + 1, parts.end(), add);
    last = parts.back();
  }
  for (size_t i = 0; i < begins.size(); i += std::max<size_t>((begins.size() - i) / 2, 1)) {
    const ByteRange whole{begins[i], span.range.end};
    const size_t size = measure_.exact(whole);
    if (size <= config_.max_chunk_size) return {whole, size};
  }
  return span;
}

// What most bytes of the chunk are.
ChunkType Assembly::type(const Draft& draft) const {
  std::array<size_t, static_cast<size_t>(ChunkType::table) + 1> bytes{};
  for (size_t p = draft.first; p < draft.end; ++p) {
    bytes[static_cast<size_t>(taken_[p].type)] += taken_[p].range.end - taken_[p].range.begin;
  }
  bytes[static_cast<size_t>(ChunkType::heading)] = 0;
  const auto most = std::max_element(bytes.begin(), bytes.end());
  return *most == 0 ? ChunkType::heading : static_cast<ChunkType>(most - bytes.begin());
}

// Of the first text below headings; of a chunk that is headings only, of the last one.
std::vector<std::string> Assembly::heading_path(const Draft& draft) const {
  size_t p = draft.first;
  while (p + 1 < draft.end && taken_[p].type == ChunkType::heading) ++p;
  std::vector<std::string> titles;
  for (uint32_t section = sections_[taken_[p].block]; section > 0; section = headings_[section].parent) {
    if (!headings_[section].title.empty()) titles.emplace_back(headings_[section].title);
  }
  std::reverse(titles.begin(), titles.end());
  return titles;
}

}  // namespace bgem3
