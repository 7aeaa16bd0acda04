// Any bytes as a text, with any options, on a Unigram and on a WordPiece tokenizer. Checks what holds for every text:
// offsets in order and within the text, no special ids when escaped, truncation as cutting the whole result, and the
// fast Unigram against the plain one.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "bgem3/error.h"
#include "bgem3/tokenizer.h"
#include "tokenizer/test_files.h"
#include "tokenizer/unigram.h"
#include "tokenizer/unigram_reference.h"
#include "tokenizer/utf8.h"

namespace {

using namespace bgem3;

void check(bool condition) {
  if (!condition) std::abort();
}

void check_unigram(std::string_view text) {
  static const std::vector<std::string> pieces = {"<unk>", "a",  "ab", "b",    "aa", "aaa",
                                                  "▁",     "▁a", "é",  "abab", "xy", "中文"};
  static const std::vector<double> scores = {0, -1, -1.5, -1, -1.75, -3, -1, -2, -4, -3, -0.5, -2};
  static const Unigram model(pieces, scores, 0);
  Unigram::Workspace workspace;
  std::vector<Token> tokens;
  model.encode(text, SIZE_MAX, nullptr, workspace, tokens);
  check(tokens == unigram_reference(pieces, scores, 0, text));
}

void check_encoding(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options) {
  const size_t limit = options.max_tokens;
  options.max_tokens = SIZE_MAX;
  options.invalid_utf8 = InvalidUtf8::replace;
  const Encoding whole = tokenizer.encode(text, options);
  check(whole.ids.size() == whole.offsets.size() && !whole.truncated);
  for (size_t i = 0; i < whole.ids.size(); ++i) {
    check(whole.ids[i] < tokenizer.vocab_size());
    check(whole.offsets[i].begin <= whole.offsets[i].end && whole.offsets[i].end <= text.size());
  }
  tokenizer.decode(whole.ids);
  const size_t added = options.add_special_tokens ? tokenizer.template_tokens() : 0;
  if (options.special_tokens_in_text == SpecialTokensInText::escape) {
    const size_t begin = added / 2;
    for (size_t i = begin; i + begin < whole.ids.size(); ++i) {
      const std::string_view token = tokenizer.token(whole.ids[i]);
      check(token != "<s>" && token != "</s>" && token != "<mask>" && token != "[SEP]" && token != "[CLS]");
    }
  }
  options.max_tokens = std::max(limit, added);
  const Encoding cut = tokenizer.encode(text, options);
  check(cut.truncated == (whole.ids.size() > options.max_tokens));
  check(cut.ids.size() == std::min(whole.ids.size(), options.max_tokens));
  const size_t kept = cut.ids.size() - added / 2;
  check(std::equal(cut.ids.begin(), cut.ids.begin() + static_cast<ptrdiff_t>(kept), whole.ids.begin()));
  check(std::equal(cut.offsets.begin(), cut.offsets.begin() + static_cast<ptrdiff_t>(kept), whole.offsets.begin()));

  options.invalid_utf8 = InvalidUtf8::error;
  try {
    tokenizer.encode(text, options);
    check(whole.replaced_utf8 == 0);
  } catch (const InvalidInputError&) {
    check(whole.replaced_utf8 > 0);
  }
}

}  // namespace

// The first byte: options. The rest: the text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const Tokenizer unigram = Tokenizer::from_json(test::File().json(), "unigram");
  static const Tokenizer wordpiece = Tokenizer::from_json(test::bert_file().json(), "wordpiece");
  EncodeOptions options;
  options.add_special_tokens = (data[0] & 1) != 0;
  options.special_tokens_in_text = (data[0] & 2) != 0 ? SpecialTokensInText::escape : SpecialTokensInText::match;
  options.max_tokens = data[0] >> 2;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  check_encoding(unigram, text, options);
  check_encoding(wordpiece, text, options);
  if (utf8::find_ill_formed(text, 0).begin == text.size()) check_unigram(text);
  return 0;
}
