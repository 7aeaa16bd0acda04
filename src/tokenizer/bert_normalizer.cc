#include <algorithm>

#include "tokenizer/normalizer.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

constexpr unsigned char kDropped = 0xFF;

bool dropped_by_cleaning(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  return c == 0 || c == 0xFFFD || unicode::is(unicode::kControl, c);
}

bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

// Canonical decomposition and removal of marks, then lower case, one character after the other. Starters pass at once;
// the others wait until the next starter, because they are put into order of their classes first.
class Pipeline {
 public:
  Pipeline(BertNormalizer::Flags flags, AlignedText& output) : flags_(flags), output_(output) {}

  void add(char32_t c, ByteRange source) {
    if (!flags_.strip_accents) {
      lower(c, source);
      return;
    }
    constexpr char32_t kSyllables = 0xAC00, kSyllableCount = 11172, kVowels = 21, kTrails = 28;
    if (c >= kSyllables && c < kSyllables + kSyllableCount) {
      const char32_t index = c - kSyllables;
      decomposed(0x1100 + index / (kVowels * kTrails), source, true);
      decomposed(0x1161 + index % (kVowels * kTrails) / kTrails, source, false);
      if (index % kTrails != 0) decomposed(0x11A7 + index % kTrails, source, false);
      return;
    }
    const auto parts = unicode::decomposition(c);
    if (parts.empty()) decomposed(c, source, true);
    for (size_t i = 0; i < parts.size(); ++i) decomposed(parts[i], source, i == 0);
  }

  // Writes the characters that wait. The sources do not move with the characters when these change places: each
  // character that was the first of its decomposition takes the next source, each other one repeats the source before.
  void flush() {
    if (waiting_.empty()) return;
    sort_by_class();
    size_t next = 0;
    for (const Waiting& mark : waiting_) {
      if (mark.first) last_source_ = sources_[next++];
      filtered(mark.character, last_source_);
    }
    waiting_.clear();
    sources_.clear();
  }

 private:
  struct Waiting {
    char32_t character;
    uint8_t combining_class;
    bool first;  // of the decomposition of one character
  };

  void decomposed(char32_t c, ByteRange source, bool first) {
    const uint8_t combining_class = unicode::combining_class(c);
    if (combining_class == 0) {
      flush();
      last_source_ = source;
      filtered(c, source);
      return;
    }
    waiting_.push_back({c, combining_class, first});
    if (first) sources_.push_back(source);
  }

  // Stable; by counting if there are many, so that a text of marks alone takes linear time.
  void sort_by_class() {
    const auto less = [](const Waiting& a, const Waiting& b) { return a.combining_class < b.combining_class; };
    if (waiting_.size() < 64) {
      std::stable_sort(waiting_.begin(), waiting_.end(), less);
      return;
    }
    std::array<size_t, 257> begin{};
    for (const Waiting& mark : waiting_) ++begin[mark.combining_class + 1u];
    for (size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
    std::vector<Waiting> sorted(waiting_.size());
    for (const Waiting& mark : waiting_) sorted[begin[mark.combining_class]++] = mark;
    waiting_.swap(sorted);
  }

  void filtered(char32_t c, ByteRange source) {
    if (!unicode::is(unicode::kMark, c)) lower(c, source);
  }

  void lower(char32_t c, ByteRange source) {
    const auto letters = flags_.lowercase ? unicode::lower_case(c) : std::span<const char32_t>();
    if (letters.empty()) output_.append(utf8::Bytes(c).view(), source);
    for (const char32_t letter : letters) output_.append(utf8::Bytes(letter).view(), source);
  }

  const BertNormalizer::Flags flags_;
  AlignedText& output_;
  std::vector<Waiting> waiting_;
  std::vector<ByteRange> sources_;  // of those that wait and are the first of their decomposition
  ByteRange last_source_;
};

}  // namespace

BertNormalizer::BertNormalizer(Flags flags) : flags_(flags) {
  for (size_t c = 0; c < ascii_.size(); ++c) {
    ascii_[c] = static_cast<unsigned char>(c);
    if (flags.clean_text && dropped_by_cleaning(static_cast<char32_t>(c))) ascii_[c] = kDropped;
    if (flags.clean_text && (c == '\t' || c == '\n' || c == '\r')) ascii_[c] = ' ';
    if (flags.lowercase && c >= 'A' && c <= 'Z') ascii_[c] = static_cast<unsigned char>(c | 0x20);
  }
}

bool BertNormalizer::normalize(const AlignedView& input, AlignedText& output) const {
  const std::string_view text = input.bytes;
  SourceCursor sources(input);
  Pipeline pipeline(flags_, output);
  const auto ascii = [&](size_t at) {  // what becomes of an ASCII character; kDropped also for the others
    const auto byte = static_cast<unsigned char>(text[at]);
    return byte < 0x80 ? ascii_[byte] : kDropped;
  };
  for (size_t at = 0; at < text.size();) {
    size_t run = at;
    while (run < text.size() && ascii(run) != kDropped) ++run;
    if (run > at) {  // ASCII characters are starters, and each keeps its source
      pipeline.flush();
      const size_t written = output.bytes().size();
      output.append_unchanged(input, sources, at, run);
      char* new_bytes = output.mutable_bytes() + written;
      for (size_t i = at; i < run; ++i) new_bytes[i - at] = static_cast<char>(ascii(i));
      at = run;
      continue;
    }
    const auto [c, size] = utf8::decode(text, at);
    const ByteRange source = sources.source(at, at + size);
    at += size;
    if (flags_.clean_text && dropped_by_cleaning(c)) continue;
    if (flags_.clean_text && unicode::is(unicode::kWhiteSpace, c)) {
      pipeline.add(' ', source);
    } else if (flags_.handle_chinese_chars && is_chinese(c)) {
      pipeline.add(' ', source);
      pipeline.add(c, source);
      pipeline.add(' ', source);
    } else {
      pipeline.add(c, source);
    }
  }
  pipeline.flush();
  return true;
}

}  // namespace bgem3
