#include "tokenizer/graphemes.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

constexpr size_t kWholeClusterBytes = 6;  // clusters shorter than this are looked up whole

// Writes the new text. The Hugging Face library describes it as a list of characters, each of which replaces the next
// old character and removes some more after it, or is added; the sources follow from the list, and need not be where
// the characters really came from: characters removed before the first one kept are forgotten, and shift all sources
// after.
class Rewriter {
 public:
  Rewriter(const AlignedView& input, AlignedText& output)
      : input_(input), output_(output), copied_(input), sources_(input) {}

  // The old characters [begin, end), unchanged.
  void keep(size_t begin, size_t end) {
    if (old_ == begin) {
      output_.append_unchanged(input_, copied_, begin, end);
      old_ = end;
      last_was_added_ = false;
      return;
    }
    for (size_t at = begin; at < end;) {
      const size_t size = utf8::length(input_.bytes[at]);
      write(input_.bytes.substr(at, size));
      at += size;
    }
  }

  // The old characters `old`, replaced by `characters`.
  void replace(std::string_view old, std::string_view characters) {
    size_t old_left = count(old);
    for (size_t i = 0; i < characters.size();) {
      const size_t size = utf8::length(characters[i]);
      if (old_left > 0) {
        write(characters.substr(i, size));
        --old_left;
      } else {
        output_.append(characters.substr(i, size), previous_source_);
        last_was_added_ = true;
        last_size_ = size;
      }
      i += size;
    }
    if (old_left > 0) remove(old_left);
  }

 private:
  static size_t count(std::string_view text) {
    size_t characters = 0;
    for (size_t i = 0; i < text.size(); i += utf8::length(text[i])) ++characters;
    return characters;
  }

  // One character in the place of the next old one.
  void write(std::string_view character) {
    take();
    output_.append(character, previous_source_);
    last_was_added_ = false;
    last_size_ = character.size();
  }

  // Passes one old character.
  void take() {
    const size_t size = utf8::length(input_.bytes[old_]);
    previous_source_ = sources_.source(old_, old_ + size);
    old_ += size;
  }

  // Removal is noted at the character before. If that was an added one, it takes the place of the first removed.
  void remove(size_t characters) {
    if (output_.bytes().empty()) return;
    if (last_was_added_) {
      const std::string last(output_.bytes().substr(output_.bytes().size() - last_size_));
      output_.remove_last(last_size_);
      write(last);
      --characters;
    }
    for (; characters > 0; --characters) take();
  }

  const AlignedView& input_;
  AlignedText& output_;
  SourceCursor copied_, sources_;
  size_t old_ = 0;               // the next old character
  ByteRange previous_source_;    // of the old character before
  bool last_was_added_ = false;  // the last new character
  size_t last_size_ = 0;         // its bytes, if it was added
};

}  // namespace

PrecompiledNormalizer::PrecompiledNormalizer(Charsmap charsmap) : charsmap_(std::move(charsmap)) {
  for (size_t c = 0; c < plain_.size(); ++c) {
    const char character = static_cast<char>(c);
    plain_[c] = c != '\r' && !charsmap_.find({&character, 1});
  }
}

bool PrecompiledNormalizer::normalize(const AlignedView& input, AlignedText& output) const {
  const std::string_view text = input.bytes;
  Rewriter rewriter(input, output);
  bool modified = false;
  const auto ascii = [&](size_t at) { return static_cast<unsigned char>(text[at]) < 0x80; };
  size_t kept = 0;  // what stays is written when something else comes
  for (size_t at = 0; at < text.size();) {
    size_t run = at;
    while (run < text.size() && ascii(run) && plain_[static_cast<unsigned char>(text[run])]) ++run;
    if (run > at && run < text.size() && !ascii(run)) --run;  // the last one may be joined by what comes
    if (run > at) {
      at = run;
      continue;
    }
    const size_t end = grapheme_cluster_end(text, at);
    const auto replace = [&](size_t begin, size_t size, std::string_view characters) {
      if (kept < begin) rewriter.keep(kept, begin);
      rewriter.replace(text.substr(begin, size), characters);
      kept = begin + size;
      modified = true;
    };
    const size_t first_size = utf8::length(text[at]);
    if (end - at < kWholeClusterBytes || end - at == first_size) {
      if (const auto found = charsmap_.find(text.substr(at, end - at))) {
        replace(at, end - at, *found);
        at = end;
        continue;
      }
    }
    if (end - at > first_size) {
      for (size_t i = at; i < end;) {
        const size_t size = utf8::length(text[i]);
        if (const auto found = charsmap_.find(text.substr(i, size))) replace(i, size, *found);
        i += size;
      }
    }
    at = end;
  }
  if (!modified) return false;
  rewriter.keep(kept, text.size());
  return true;
}

}  // namespace bgem3
