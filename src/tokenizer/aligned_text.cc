#include "tokenizer/aligned_text.h"

#include <algorithm>

namespace bgem3 {

void SourceCursor::seek(size_t position) {
  if (runs_[run_].at > position) {  // only after overlapping added tokens
    run_ = static_cast<size_t>(std::ranges::upper_bound(runs_, position, {}, &AlignedRun::at) - runs_.begin()) - 1;
  }
  while (run_ + 1 < runs_.size() && runs_[run_ + 1].at <= position) ++run_;
}

void AlignedText::append(std::string_view characters, ByteRange source) {
  const size_t at = bytes_.size();
  bytes_.append(characters);
  const bool as_long = source.end - source.begin == characters.size();
  if (!runs_.empty()) {
    const AlignedRun& last = runs_.back();
    if (last.parallel() ? as_long && last.source.begin + (at - last.at) == source.begin : last.source == source) return;
  }
  runs_.push_back({at, {source.begin, as_long ? AlignedRun::kParallel : source.end}});
}

void AlignedText::append_unchanged(const AlignedView& text, SourceCursor& cursor, size_t begin, size_t end) {
  if (begin == end) return;
  const size_t shift = bytes_.size() - begin;  // may wrap around; sums come out right
  size_t run = cursor.run_at(begin);
  for (size_t at = begin; at < end; ++run) {
    AlignedRun copy = text.runs[run];
    if (copy.parallel()) copy.source.begin += at - copy.at;
    copy.at = at + shift;
    const AlignedRun* last = runs_.empty() ? nullptr : &runs_.back();
    const bool continues =
        last && copy.parallel() && last->parallel() && last->source.begin + (copy.at - last->at) == copy.source.begin;
    if (!continues) runs_.push_back(copy);
    at = run + 1 < text.runs.size() ? text.runs[run + 1].at : end;
  }
  bytes_.append(text.bytes.substr(begin, end - begin));
}

void AlignedText::remove_last(size_t size_bytes) {
  bytes_.resize(bytes_.size() - size_bytes);
  while (!runs_.empty() && runs_.back().at >= bytes_.size()) runs_.pop_back();
}

}  // namespace bgem3
