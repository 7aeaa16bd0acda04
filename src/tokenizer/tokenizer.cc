#include "bgem3/tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/compiled.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

// What one encode call needs; made for each, so that a tokenizer is immutable.
struct Workspace {
  std::array<AlignedText, 2> normalized;
  std::array<AlignedText, 2> split;
  AlignedText raw_piece, normalized_piece;
  std::vector<AddedTokenPiece> raw_pieces, normalized_pieces;
  std::vector<Word> words;
  Unigram::Workspace unigram;
};

// Bytes [begin, end) of a text as a text of its own.
AlignedView slice(const AlignedView& text, size_t begin, size_t end, AlignedText& buffer) {
  if (begin == 0 && end == text.bytes.size()) return text;
  SourceCursor cursor(text);
  buffer.clear();
  buffer.append_unchanged(text, cursor, begin, end);
  return buffer.view();
}

// The text with U+FFFD for each maximal ill-formed part, each with the part as its source. Returns their number.
size_t replace_ill_formed(std::string_view text, AlignedText& output) {
  const AlignedRun run{0, {0, AlignedRun::kParallel}};
  const AlignedView view{text, {&run, 1}};
  SourceCursor cursor(view);
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) {
    const auto [begin, end] = utf8::find_ill_formed(text, at);
    output.append_unchanged(view, cursor, at, begin);
    if (begin == text.size()) break;
    output.append("\xEF\xBF\xBD", {begin, end});
    at = end;
  }
  return count;
}

}  // namespace

struct Tokenizer::Impl {
  explicit Impl(TokenizerParts&& read) : parts(std::move(read)) {
    std::vector<const AddedToken*> raw, normalized;
    std::vector<std::string> raw_patterns, normalized_patterns;
    special.resize(vocab_size());
    for (const AddedToken& token : parts.added_tokens) {
      by_content.emplace(token.content, &token);
      by_id.emplace(token.id, &token);
      special.resize(std::max<size_t>(special.size(), token.id + 1));
      special[token.id] = token.special;
      (token.normalized ? normalized : raw).push_back(&token);
      (token.normalized ? normalized_patterns : raw_patterns)
          .push_back(token.normalized ? parts.normalizer.normalize(token.content) : token.content);
      if (token.normalized && normalized_patterns.back().empty()) {
        fail<ModelLoadingError>(ErrorCode::unsupported,
                                "added token \"{}\": nothing is left of it when it is normalised", token.content);
      }
    }
    raw_matcher = AddedTokenMatcher(raw, raw_patterns);
    normalized_matcher = AddedTokenMatcher(normalized, normalized_patterns);
    for (const auto* ids : {&parts.before, &parts.after}) {
      for (const uint32_t id : *ids) {
        if (find_token(id)) continue;
        fail<ModelLoadingError>(ErrorCode::corrupt, "post_processor: the template's id {} is not in the vocabulary",
                                id);
      }
    }
  }

  size_t vocab_size() const {
    size_t size = parts.vocabulary.size();
    for (const AddedToken& token : parts.added_tokens) size = std::max<size_t>(size, token.id + 1);
    return size;
  }

  std::optional<std::string_view> find_token(uint32_t id) const {
    const auto added = by_id.find(id);
    if (added != by_id.end()) return added->second->content;
    return id < parts.vocabulary.size() ? parts.vocabulary[id] : std::nullopt;
  }

  std::string_view token(uint32_t id) const {
    if (const auto found = find_token(id)) return *found;
    fail<InvalidInputError>(ErrorCode::invalid_input, "token id {}: not in the vocabulary of {} ids", id, vocab_size());
  }

  // Appends the tokens of ordinary text; more than `limit` in total if there are more, but not all of them.
  void encode_ordinary(const AlignedView& text, size_t limit, bool escape, Workspace& workspace,
                       std::vector<Token>& tokens) const {
    const AlignedView normalized = parts.normalizer.normalize(text, workspace.normalized);
    workspace.normalized_pieces.clear();
    normalized_matcher.split(normalized.bytes, escape, workspace.normalized_pieces);
    for (const AddedTokenPiece& piece : workspace.normalized_pieces) {
      if (piece.token) {
        const ByteRange source = SourceCursor(normalized).source(piece.begin, piece.end);
        tokens.push_back({piece.token->id, source.begin, source.end});
      } else {
        encode_words(slice(normalized, piece.begin, piece.end, workspace.normalized_piece), limit, escape, workspace,
                     tokens);
      }
      if (tokens.size() > limit) return;
    }
  }

  void encode_words(const AlignedView& text, size_t limit, bool escape, Workspace& workspace,
                    std::vector<Token>& tokens) const {
    const AlignedView split = parts.pre_tokenizer.split(text, workspace.split, workspace.words);
    SourceCursor sources(split);
    const uint8_t* excluded = escape ? special.data() : nullptr;
    for (const Word& word : workspace.words) {
      const std::string_view bytes = split.bytes.substr(word.begin, word.end - word.begin);
      size_t next = tokens.size();
      if (const auto* unigram = std::get_if<Unigram>(&parts.model)) {
        unigram->encode(bytes, limit, excluded, workspace.unigram, tokens);
      } else {
        std::get<WordPiece>(parts.model).encode(bytes, excluded, tokens);
      }
      for (; next < tokens.size(); ++next) {
        Token& token = tokens[next];
        const ByteRange source = sources.source(word.begin + token.begin, word.begin + token.end);
        token.begin = source.begin;
        token.end = source.end;
      }
      if (tokens.size() > limit) return;
    }
  }

  TokenizerParts parts;
  std::unordered_map<std::string_view, const AddedToken*> by_content;
  std::unordered_map<uint32_t, const AddedToken*> by_id;
  std::vector<uint8_t> special;  // by id
  AddedTokenMatcher raw_matcher, normalized_matcher;
};

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::from_file(const std::string& path) {
  const MappedFile file(path);
  return from_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path);
}

Tokenizer Tokenizer::from_json(std::string_view json, std::string_view name) {
  return Tokenizer(std::make_unique<const Impl>(read_tokenizer_json(json, name)));
}

std::string CompiledTokenizer::make(const Tokenizer& tokenizer) { return compile(tokenizer.impl_->parts); }

Tokenizer CompiledTokenizer::read(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                  std::string_view name) {
  return Tokenizer(std::make_unique<const Tokenizer::Impl>(read_compiled(bytes, std::move(owner), name)));
}

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const size_t added = options.add_special_tokens ? template_tokens() : 0;
  if (options.max_tokens < added) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "max_tokens: expected at least the {} tokens of the template, found {}", added,
                            options.max_tokens);
  }
  const size_t limit = options.max_tokens - added;
  const bool escape = options.special_tokens_in_text == SpecialTokensInText::escape;

  Encoding encoding;
  const AlignedRun whole{0, {0, AlignedRun::kParallel}};
  AlignedView raw{text, {&whole, 1}};
  AlignedText replaced;
  if (const auto [begin, end] = utf8::find_ill_formed(text, 0); begin != text.size()) {
    if (options.invalid_utf8 == InvalidUtf8::error) {
      fail<InvalidInputError>(ErrorCode::invalid_input,
                              "text: byte {}: not UTF-8 (0x{:02X}); convert the text to UTF-8 or ask for replacement",
                              begin, static_cast<unsigned char>(text[begin]));
    }
    encoding.replaced_utf8 = replace_ill_formed(text, replaced);
    raw = replaced.view();
  }

  Workspace workspace;
  std::vector<Token> tokens;
  impl_->raw_matcher.split(raw.bytes, escape, workspace.raw_pieces);
  for (const AddedTokenPiece& piece : workspace.raw_pieces) {
    if (tokens.size() > limit) break;
    if (piece.token) {
      const ByteRange source = SourceCursor(raw).source(piece.begin, piece.end);
      tokens.push_back({piece.token->id, source.begin, source.end});
    } else {
      impl_->encode_ordinary(slice(raw, piece.begin, piece.end, workspace.raw_piece), limit, escape, workspace, tokens);
    }
  }
  encoding.truncated = tokens.size() > limit;
  if (encoding.truncated) tokens.resize(limit);

  encoding.ids.reserve(tokens.size() + added);
  encoding.offsets.reserve(tokens.size() + added);
  const auto add_template = [&](const std::vector<uint32_t>& ids) {
    if (!options.add_special_tokens) return;
    encoding.ids.insert(encoding.ids.end(), ids.begin(), ids.end());
    encoding.offsets.resize(encoding.ids.size());
  };
  add_template(impl_->parts.before);
  for (const Token& token : tokens) {
    encoding.ids.push_back(token.id);
    encoding.offsets.push_back({token.begin, token.end});
  }
  add_template(impl_->parts.after);
  return encoding;
}

std::vector<uint32_t> Tokenizer::add_template(std::span<const uint32_t> ids) const {
  std::vector<uint32_t> all = impl_->parts.before;
  all.insert(all.end(), ids.begin(), ids.end());
  all.insert(all.end(), impl_->parts.after.begin(), impl_->parts.after.end());
  return all;
}

std::string Tokenizer::decode(std::span<const uint32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string_view> tokens;
  for (const uint32_t id : ids) {
    const std::string_view token = impl_->token(id);
    const auto added = impl_->by_content.find(token);
    const bool special = added != impl_->by_content.end() && added->second->special;
    if (!(skip_special_tokens && special)) tokens.push_back(token);
  }
  return bgem3::decode(impl_->parts.decoder, tokens);
}

size_t Tokenizer::vocab_size() const { return impl_->vocab_size(); }

size_t Tokenizer::template_tokens() const { return impl_->parts.before.size() + impl_->parts.after.size(); }

std::string_view Tokenizer::token(uint32_t id) const { return impl_->token(id); }

std::optional<uint32_t> Tokenizer::find_id(std::string_view token) const {
  const auto added = impl_->by_content.find(token);
  if (added != impl_->by_content.end()) return added->second->id;
  return std::visit([&](const auto& model) { return model.find(token); }, impl_->parts.model);
}

std::string_view Tokenizer::kind() const {
  return std::holds_alternative<Unigram>(impl_->parts.model) ? "unigram" : "wordpiece";
}

}  // namespace bgem3
