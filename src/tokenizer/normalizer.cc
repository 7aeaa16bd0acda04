#include "tokenizer/normalizer.h"

#include "tokenizer/utf8.h"

namespace bgem3 {

bool ReplaceNormalizer::normalize(const AlignedView& input, AlignedText& output) const {
  const std::string_view text = input.bytes;
  SourceCursor copied(input), replaced(input);
  size_t done = 0;
  size_t begin = 0;
  while ((begin = text.find(pattern.empty() ? std::string_view("  ") : std::string_view(pattern), begin)) !=
         std::string_view::npos) {
    size_t end = begin + pattern.size();
    if (pattern.empty()) end = std::min(text.find_first_not_of(' ', begin), text.size());
    output.append_unchanged(input, copied, done, begin);
    // All of the new characters stand for the last of the old ones.
    size_t last = end - 1;
    while (!utf8::is_boundary(text, last)) --last;
    const ByteRange source = replaced.source(last, end);
    for (size_t i = 0; i < content.size();) {
      const size_t size = utf8::length(content[i]);
      output.append(std::string_view(content).substr(i, size), source);
      i += size;
    }
    done = begin = end;
  }
  if (done == 0) return false;
  output.append_unchanged(input, copied, done, text.size());
  return true;
}

AlignedView Normalizer::normalize(AlignedView text, std::array<AlignedText, 2>& buffers) const {
  size_t next = 0;
  for (const NormalizerStep& step : steps_) {
    if (text.bytes.empty()) break;
    buffers[next].clear();
    if (std::visit([&](const auto& normalizer) { return normalizer.normalize(text, buffers[next]); }, step)) {
      text = buffers[next].view();
      next = 1 - next;
    }
  }
  return text;
}

std::string Normalizer::normalize(std::string_view text) const {
  const AlignedRun whole{0, {0, AlignedRun::kParallel}};
  std::array<AlignedText, 2> buffers;
  return std::string(normalize({text, {&whole, 1}}, buffers).bytes);
}

}  // namespace bgem3
