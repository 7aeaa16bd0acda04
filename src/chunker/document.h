// A document and where its grapheme clusters begin.
#pragma once

#include <cstddef>
#include <string_view>

#include "bgem3/tokenizer.h"
#include "chunker/position_set.h"

namespace bgem3 {

class Document {
 public:
  // `text` must be well-formed and outlive this object.
  explicit Document(std::string_view text);

  std::string_view text() const { return text_; }
  std::string_view text(ByteRange range) const { return text_.substr(range.begin, range.end - range.begin); }

  // Whether a cluster begins, or the text ends, at `position`.
  bool is_boundary(size_t position) const { return boundaries_.contains(position); }
  // The first boundary after `position`, which must not be the text's end.
  size_t next_boundary(size_t position) const;

  // Where the first cluster at or after the boundary `position` begins that is not white space; at most `end`.
  size_t skip_white_space(size_t position, size_t end) const;
  // The range, whose ends are boundaries, without the white space at both of its ends.
  ByteRange trim(ByteRange range) const { return trim_end({skip_white_space(range.begin, range.end), range.end}); }
  ByteRange trim_end(ByteRange range) const;

 private:
  std::string_view text_;
  PositionSet boundaries_;
};

}  // namespace bgem3
