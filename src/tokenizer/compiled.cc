// The form is a sequence of items: numbers (u64), strings (size, bytes) and arrays (size, bytes), each starting at a
// multiple of 8. What each part holds stands in one function each for writing and reading, side by side.
#include "tokenizer/compiled.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace bgem3 {
namespace {

constexpr uint64_t kVersion = 1;  // of everything below: another version is another form

class Writer {
 public:
  void number(uint64_t value) { append(&value, sizeof value); }
  template <typename T>
  void array(std::span<const T> values) {
    number(values.size());
    append(values.data(), values.size_bytes());
  }
  void string(std::string_view text) { array(std::span<const char>(text)); }

  std::string bytes;

 private:
  void append(const void* from, size_t size) {
    bytes.append(static_cast<const char*>(from), size);
    bytes.resize((bytes.size() + 7) / 8 * 8);
  }
};

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string_view name)
      : bytes_(bytes), owner_(std::move(owner)), name_(name) {
    if (reinterpret_cast<uintptr_t>(bytes.data()) % 8 != 0) corrupt("it is not aligned");
  }

  uint64_t number() {
    uint64_t value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  uint64_t number_below(uint64_t limit, const char* what) {
    const uint64_t value = number();
    if (value >= limit) corrupt(what);
    return value;
  }
  bool boolean() { return number_below(2, "a flag is neither 0 nor 1") == 1; }
  template <typename T>
  FrozenArray<T> array() {
    static_assert(alignof(T) <= 8);
    const uint64_t size = number();
    if (size > bytes_.size() / sizeof(T)) corrupt("an array runs past the end");
    const auto bytes = take(size * sizeof(T));
    return {{reinterpret_cast<const T*>(bytes.data()), size}, owner_};
  }
  std::string_view bytes() {
    const FrozenArray<char> text = array<char>();
    return {text.values().data(), text.size()};
  }
  // Text: the tokenizer relies on its own strings being UTF-8.
  std::string string() {
    const std::string_view text = bytes();
    if (utf8::find_ill_formed(text, 0).begin != text.size()) corrupt("a string is not UTF-8");
    return std::string(text);
  }
  std::string character() {
    std::string text = string();
    if (text.empty() || utf8::length(text[0]) != text.size()) corrupt("expected one character");
    return text;
  }
  void end() {
    if (!bytes_.empty()) corrupt("there is more than a tokenizer");
  }
  std::string name() const { return std::string(name_); }

  [[noreturn]] void corrupt(const char* what) const {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: compiled tokenizer: {}; the file is damaged", name_, what);
  }

 private:
  std::span<const std::byte> take(size_t size) {
    const size_t padded = (size + 7) / 8 * 8;
    if (padded > bytes_.size()) corrupt("it ends too early");
    const auto taken = bytes_.first(size);
    bytes_ = bytes_.subspan(padded);
    return taken;
  }

  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  std::string_view name_;
};

// A variant is the index of its alternative, then that.
template <typename Variant>
void write_variant(Writer& to, const Variant& variant) {
  to.number(variant.index());
  std::visit([&](const auto& chosen) { write(to, chosen); }, variant);
}

void write(Writer& to, const PrecompiledNormalizer& step) { to.string(step.charsmap().bytes()); }
PrecompiledNormalizer read_precompiled(Reader& from) { return PrecompiledNormalizer({from.bytes(), from.name()}); }

void write(Writer& to, const ReplaceNormalizer& step) {
  to.string(step.pattern);
  to.string(step.content);
}
ReplaceNormalizer read_replace(Reader& from) {
  std::string pattern = from.string();
  return {std::move(pattern), from.string()};
}

void write(Writer& to, const BertNormalizer& step) {
  const BertNormalizer::Flags& flags = step.flags();
  for (const bool flag : {flags.clean_text, flags.handle_chinese_chars, flags.strip_accents, flags.lowercase})
    to.number(flag);
}
BertNormalizer read_bert(Reader& from) {
  BertNormalizer::Flags flags{};
  for (bool* flag : {&flags.clean_text, &flags.handle_chinese_chars, &flags.strip_accents, &flags.lowercase})
    *flag = from.boolean();
  return BertNormalizer(flags);
}

NormalizerStep read_normalizer_step(Reader& from) {
  switch (from.number_below(std::variant_size_v<NormalizerStep>, "an unknown normalizer")) {
    case 0:
      return read_precompiled(from);
    case 1:
      return read_replace(from);
    default:
      return read_bert(from);
  }
}

void write(Writer& to, const MetaspacePreTokenizer& step) {
  to.string(step.replacement);
  to.number(static_cast<uint64_t>(step.prepend));
  to.number(step.split);
}
void write(Writer&, const WhitespaceSplitPreTokenizer&) {}
void write(Writer&, const BertPreTokenizer&) {}

PreTokenizerStep read_pre_tokenizer_step(Reader& from) {
  switch (from.number_below(std::variant_size_v<PreTokenizerStep>, "an unknown pre-tokenizer")) {
    case 0: {
      std::string replacement = from.character();
      const auto prepend = static_cast<MetaspacePreTokenizer::Prepend>(from.number_below(3, "an unknown scheme"));
      return MetaspacePreTokenizer{std::move(replacement), prepend, from.boolean()};
    }
    case 1:
      return WhitespaceSplitPreTokenizer();
    default:
      return BertPreTokenizer();
  }
}

void write(Writer& to, const MetaspaceDecoder& decoder) {
  to.string(decoder.replacement);
  to.number(decoder.drop_in_first);
}
void write(Writer& to, const WordPieceDecoder& decoder) {
  to.string(decoder.prefix);
  to.number(decoder.cleanup);
}
void write(Writer&, const JoiningDecoder&) {}

Decoder read_decoder(Reader& from) {
  switch (from.number_below(std::variant_size_v<Decoder>, "an unknown decoder")) {
    case 0: {
      std::string replacement = from.character();
      return MetaspaceDecoder{std::move(replacement), from.boolean()};
    }
    case 1: {
      std::string prefix = from.string();
      return WordPieceDecoder{std::move(prefix), from.boolean()};
    }
    default:
      return JoiningDecoder();
  }
}

void write(Writer& to, const AddedToken& token) {
  to.number(token.id);
  to.string(token.content);
  for (const bool flag : {token.single_word, token.lstrip, token.rstrip, token.normalized, token.special})
    to.number(flag);
}
AddedToken read_added_token(Reader& from) {
  AddedToken token;
  token.id = static_cast<uint32_t>(from.number_below(Trie::kNoId, "an id is out of range"));
  token.content = from.string();
  if (token.content.empty()) from.corrupt("an added token is empty");
  for (bool* flag : {&token.single_word, &token.lstrip, &token.rstrip, &token.normalized, &token.special})
    *flag = from.boolean();
  return token;
}

void write(Writer& to, const Trie& trie) {
  to.array(std::span(&trie.root(), 1));
  to.array(trie.nodes());
}
Trie read_trie(Reader& from, size_t ids) {
  const auto root = from.array<Trie::Node>();
  if (root.size() != 1) from.corrupt("a trie without a root");
  Trie trie = Trie::from_nodes(root[0], from.array<Trie::Node>());
  if (!trie.is_sound(ids)) from.corrupt("the trie leads nowhere");
  return trie;
}

void write(Writer& to, const WordPiece& model) {
  write(to, model.trie());
  to.number(model.options().unknown_id);
  to.string(model.options().continuing_subword_prefix);
  to.number(model.options().max_input_chars_per_word);
}
WordPiece read_wordpiece(Reader& from, size_t ids) {
  Trie trie = read_trie(from, ids);
  const auto unknown_id = static_cast<uint32_t>(from.number_below(ids, "the unknown id is out of range"));
  std::string prefix = from.string();
  return WordPiece(std::move(trie), {unknown_id, std::move(prefix), from.number()});
}

}  // namespace

struct TokenizerCompiler {
  static void write(Writer& to, const Unigram& model) {
    to.array(model.ids_.values());
    to.array(model.scores_.values());
    to.array(std::span(&model.unknown_score_, 1));
    to.number(model.unknown_id_);
    to.number(model.longest_piece_);
    bgem3::write(to, model.trie_);
  }
  static Unigram read(Reader& from, size_t ids) {
    Unigram model;
    model.ids_ = from.array<uint32_t>();
    model.scores_ = from.array<double>();
    const auto unknown_score = from.array<double>();
    if (model.scores_.size() != model.ids_.size() || unknown_score.size() != 1) from.corrupt("scores are missing");
    bool outside = false;
    for (const uint32_t id : model.ids_.values()) outside |= id >= ids;
    if (outside) from.corrupt("an id is out of range");
    model.unknown_score_ = unknown_score[0];
    model.unknown_id_ = static_cast<uint32_t>(from.number_below(ids, "the unknown id is out of range"));
    constexpr size_t kLongest = UINT32_MAX;  // a bound that keeps sums of sizes far from overflow
    model.longest_piece_ = from.number_below(kLongest, "a piece is too long");
    if (model.longest_piece_ < 4) from.corrupt("pieces are too short");
    model.trie_ = read_trie(from, model.ids_.size());
    return model;
  }
};

std::string compile(const TokenizerParts& parts) {
  Writer to;
  to.number(kVersion);
  to.number(parts.normalizer.steps().size());
  for (const NormalizerStep& step : parts.normalizer.steps()) write_variant(to, step);
  to.number(parts.pre_tokenizer.steps().size());
  for (const PreTokenizerStep& step : parts.pre_tokenizer.steps()) write_variant(to, step);
  write_variant(to, parts.decoder);
  to.array(parts.vocabulary.places());
  to.array(parts.vocabulary.text());
  to.number(parts.model.index());
  if (const auto* unigram = std::get_if<Unigram>(&parts.model)) {
    TokenizerCompiler::write(to, *unigram);
  } else {
    write(to, std::get<WordPiece>(parts.model));
  }
  to.number(parts.added_tokens.size());
  for (const AddedToken& token : parts.added_tokens) write(to, token);
  to.array(std::span<const uint32_t>(parts.before));
  to.array(std::span<const uint32_t>(parts.after));
  return std::move(to.bytes);
}

TokenizerParts read_compiled(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                             std::string_view name) {
  Reader from(bytes, std::move(owner), name);
  if (from.number() != kVersion) from.corrupt("it has another version");
  // No count is trusted: each item takes bytes, so that a wrong one soon reaches the end.
  std::vector<NormalizerStep> normalizers;
  for (uint64_t left = from.number(); left > 0; left--) normalizers.push_back(read_normalizer_step(from));
  std::vector<PreTokenizerStep> pre_tokenizers;
  for (uint64_t left = from.number(); left > 0; left--) pre_tokenizers.push_back(read_pre_tokenizer_step(from));
  Decoder decoder = read_decoder(from);
  auto places = from.array<Vocabulary::Place>();
  Vocabulary vocabulary(std::move(places), from.array<char>());
  if (!vocabulary.is_sound()) from.corrupt("a token runs past the text");
  const size_t ids = vocabulary.size();
  const auto read_model = [&]() -> std::variant<Unigram, WordPiece> {
    if (from.number_below(2, "an unknown model") == 0) return TokenizerCompiler::read(from, ids);
    return read_wordpiece(from, ids);
  };
  TokenizerParts parts{.added_tokens = {},
                       .normalizer = Normalizer(std::move(normalizers)),
                       .pre_tokenizer = PreTokenizer(std::move(pre_tokenizers)),
                       .vocabulary = std::move(vocabulary),
                       .model = read_model(),
                       .before = {},
                       .after = {},
                       .decoder = std::move(decoder)};
  for (uint64_t left = from.number(); left > 0; left--) parts.added_tokens.push_back(read_added_token(from));
  for (std::vector<uint32_t>* ids_around : {&parts.before, &parts.after}) {
    const auto values = from.array<uint32_t>();
    ids_around->assign(values.values().begin(), values.values().end());
  }
  from.end();
  return parts;
}

}  // namespace bgem3
