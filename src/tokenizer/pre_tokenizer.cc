#include "tokenizer/pre_tokenizer.h"

#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

// Cuts words at white space, which is left out, and around punctuation, if asked for.
void split_at_white_space(std::string_view text, bool isolate_punctuation, std::vector<Word>& words) {
  std::vector<Word> parts;
  for (const Word& word : words) {
    size_t begin = word.begin;  // of the part that is not in `parts` yet
    for (size_t at = word.begin; at < word.end;) {
      const auto [c, size] = utf8::decode(text, at);
      const bool space = unicode::is(unicode::kWhiteSpace, c);
      const bool alone = isolate_punctuation && unicode::is(unicode::kPunctuation, c);
      if (space || alone) {
        if (begin < at) parts.push_back({begin, at});
        begin = at + size;
      }
      if (alone) parts.push_back({at, at + size});
      at += size;
    }
    if (begin < word.end) parts.push_back({begin, word.end});
  }
  words.swap(parts);
}

// Cuts words at the replacement character and at spaces, which become that character.
void split_metaspace(const MetaspacePreTokenizer& options, const AlignedView& text, AlignedText& output,
                     std::vector<Word>& words) {
  using Prepend = MetaspacePreTokenizer::Prepend;
  const std::string_view mark = options.replacement;
  SourceCursor copied(text), sources(text);
  std::vector<Word> parts;
  for (const Word& word : words) {
    size_t part = output.bytes().size();  // where the part begins that is not in `parts` yet
    const auto end_part = [&] {
      const size_t end = output.bytes().size();
      if (part < end) parts.push_back({part, end});
      part = end;
    };
    const std::string_view bytes = text.bytes.substr(0, word.end);
    if (bytes[word.begin] != ' ' && !bytes.substr(word.begin).starts_with(mark)) {
      const ByteRange first = sources.source(word.begin, word.begin + utf8::length(bytes[word.begin]));
      const bool prepend =
          options.prepend == Prepend::always || (options.prepend == Prepend::first && first.begin == 0);
      if (prepend) output.append(mark, first);
    }
    size_t kept = word.begin;  // what stays is written when something else comes
    for (size_t at = word.begin; at < word.end; ++at) {
      const bool space = bytes[at] == ' ';
      if (!space && (bytes[at] != mark[0] || !bytes.substr(at).starts_with(mark))) continue;
      output.append_unchanged(text, copied, kept, at);
      kept = at;
      if (options.split) end_part();
      if (space) {
        output.append(mark, sources.source(at, at + 1));
        kept = at + 1;
      }
    }
    output.append_unchanged(text, copied, kept, word.end);
    end_part();
  }
  words.swap(parts);
}

}  // namespace

AlignedView PreTokenizer::split(AlignedView text, std::array<AlignedText, 2>& buffers, std::vector<Word>& words) const {
  words.clear();
  if (!text.bytes.empty()) words.push_back({0, text.bytes.size()});
  for (const PreTokenizerStep& step : steps_) {
    if (const auto* metaspace = std::get_if<MetaspacePreTokenizer>(&step)) {
      // The text may already be in one of the buffers.
      AlignedText& output = buffers[text.bytes.data() == buffers[0].bytes().data() ? 1 : 0];
      output.clear();
      split_metaspace(*metaspace, text, output, words);
      text = output.view();
    } else {
      split_at_white_space(text.bytes, std::holds_alternative<BertPreTokenizer>(step), words);
    }
  }
  return text;
}

}  // namespace bgem3
