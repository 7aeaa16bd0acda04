// Text to token ids and byte offsets, and back. Start at Tokenizer::from_file and Tokenizer::encode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC visibility push(default)
namespace bgem3 {

// What to do with bytes that are not UTF-8.
enum class InvalidUtf8 {
  error,    // InvalidInputError that names the byte offset
  replace,  // U+FFFD for each maximal ill-formed part (Unicode 16, section 3.9, table 3-8), counted
};

// What to do with special tokens written out in a text ("<s>", "[SEP]", also forms that normalise to them).
enum class SpecialTokensInText {
  match,  // they become the special id: what Hugging Face tokenizers do
  // They are ordinary characters: no text produces the id of an added token that the file marks as special, neither as
  // a match in the text or in its normalised form, nor as a piece of the model's vocabulary ("<s>" is one in bge-m3's).
  // Only the model's unknown id remains, for what is unknown.
  escape,
};

// Options of one encode call. Every field affects the result.
struct EncodeOptions {
  size_t max_tokens = SIZE_MAX;    // longest result, template tokens included; the text's first tokens are kept
  bool add_special_tokens = true;  // put the model's template around the text (<s> ... </s>, [CLS] ... [SEP])
  SpecialTokensInText special_tokens_in_text = SpecialTokensInText::match;
  InvalidUtf8 invalid_utf8 = InvalidUtf8::error;
};

// Bytes [begin, end) of the text as the caller passed it. Template tokens have the empty range [0, 0).
struct ByteRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const ByteRange&) const = default;
};

// The tokens of one text.
struct Encoding {
  std::vector<uint32_t> ids;       // [tokens]
  std::vector<ByteRange> offsets;  // [tokens], one for each id
  bool truncated = false;          // tokens of the text were dropped to respect max_tokens
  size_t replaced_utf8 = 0;        // ill-formed parts replaced by U+FFFD (InvalidUtf8::replace)
};

// The tokenizer of one model: a tokenizer.json as Hugging Face publishes it (Unigram as XLM-RoBERTa uses it, or
// WordPiece as BERT uses it), run bit for bit as the Hugging Face `tokenizers` library runs it. A file with a component
// that is not run here is refused by name, never approximated. Truncation and padding settings inside the file are
// ignored: the caller passes the limit. Immutable and cheap to move; any number of threads may call the const methods
// at the same time.
class Tokenizer {
 public:
  // Reads a tokenizer.json. Throws ModelLoadingError (not_found, io, corrupt, unsupported). Cost: bge-m3's file of 17
  // MB takes a fraction of a second.
  static Tokenizer from_file(const std::string& path);

  // The same from the file's bytes; `name` stands for the file in error messages.
  static Tokenizer from_json(std::string_view json, std::string_view name);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Token ids and byte offsets of a text. Time and memory are linear in the text's size; the text may contain NUL
  // bytes. Throws InvalidInputError for invalid UTF-8 (InvalidUtf8::error) or if max_tokens cannot hold the template
  // tokens.
  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const;

  // The ids of a text, encoded without special tokens, with the model's template around them.
  std::vector<uint32_t> add_template(std::span<const uint32_t> ids) const;

  // The text of token ids as the file's decoder makes it; special tokens are left out unless `skip_special_tokens` is
  // false. Throws InvalidInputError for an id outside the vocabulary.
  std::string decode(std::span<const uint32_t> ids, bool skip_special_tokens = true) const;

  // One more than the largest id, added tokens included.
  size_t vocab_size() const;

  // Tokens that the template adds to every text (2 for XLM-RoBERTa and BERT).
  size_t template_tokens() const;

  // The published string of an id ("▁Hello", "##ing"); throws InvalidInputError for an id outside the vocabulary.
  std::string_view token(uint32_t id) const;

  // The id of a published token string, added tokens included; empty if there is none.
  std::optional<uint32_t> find_id(std::string_view token) const;

  // The algorithm: "unigram" or "wordpiece".
  std::string_view kind() const;

  struct Impl;

 private:
  friend struct CompiledTokenizer;  // of the library itself
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace bgem3
#pragma GCC visibility pop
