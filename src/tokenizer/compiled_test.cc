#include "tokenizer/compiled.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "bgem3/error.h"
#include "tokenizer/test_files.h"

namespace bgem3 {
namespace {

using test::File;

// Bytes at an address that the reader asks for.
struct Aligned {
  explicit Aligned(const std::string& text) : words(text.size() / 8 + 1), size(text.size()) {
    std::memcpy(words.data(), text.data(), size);
  }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(words)).first(size); }
  std::vector<uint64_t> words;
  size_t size;
};

std::vector<File> files() {
  File everything = test::bert_file();
  everything.normalizer =
      R"({"type":"Sequence","normalizers":[{"type":"Replace","pattern":{"String":"ß"},"content":"ss"},
    {"type":"Lowercase"}]})";
  everything.pre_tokenizer = R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace",
    "replacement":"_","prepend_scheme":"first","split":true},{"type":"BertPreTokenizer"}]})";
  everything.decoder = "null";
  everything.added_tokens += "," + test::added_token(20, "NEW", false, "true", "true", "true", "true");
  return {File(), test::bert_file(), everything};
}

const std::vector<std::string> kTexts = {
    "",    "ab  b<mask> </s>",    "caba [SEP] CAB!", "straße new NEWab", "中ab  a\n", "\xCC\x81 x",
    " ab", std::string(3000, 'a')};

TEST(CompiledTokenizer, DoesWhatTheOriginalDoes) {
  for (const File& file : files()) {
    const Tokenizer original = Tokenizer::from_json(file.json(), "original");
    const std::string form = CompiledTokenizer::make(original);
    const auto bytes = std::make_shared<const Aligned>(form);
    const Tokenizer compiled = CompiledTokenizer::read(bytes->bytes(), bytes, "compiled");
    EXPECT_EQ(CompiledTokenizer::make(compiled), form);
    EXPECT_EQ(compiled.kind(), original.kind());
    EXPECT_EQ(compiled.template_tokens(), original.template_tokens());
    ASSERT_EQ(compiled.vocab_size(), original.vocab_size());
    for (const std::string& text : kTexts) {
      for (const auto special : {SpecialTokensInText::match, SpecialTokensInText::escape}) {
        const EncodeOptions options{.special_tokens_in_text = special};
        const Encoding expected = original.encode(text, options), found = compiled.encode(text, options);
        EXPECT_EQ(found.ids, expected.ids) << text;
        EXPECT_EQ(found.offsets, expected.offsets) << text;
        EXPECT_EQ(compiled.decode(found.ids, false), original.decode(expected.ids, false));
      }
    }
    for (uint32_t id = 0; id < original.vocab_size(); id++) {
      try {
        EXPECT_EQ(compiled.token(id), original.token(id));
        EXPECT_EQ(compiled.find_id(original.token(id)), original.find_id(original.token(id)));
      } catch (const InvalidInputError&) {  // a gap in both
        EXPECT_THROW(compiled.token(id), InvalidInputError);
        EXPECT_THROW(original.token(id), InvalidInputError);
      }
    }
  }
}

// The bytes may outlive everything but the tokenizer.
TEST(CompiledTokenizer, KeepsItsBytesAlive) {
  const Tokenizer original = Tokenizer::from_json(File().json(), "original");
  auto bytes = std::make_shared<const Aligned>(CompiledTokenizer::make(original));
  const Tokenizer compiled = CompiledTokenizer::read(bytes->bytes(), bytes, "compiled");
  const std::weak_ptr<const Aligned> watched = bytes;
  bytes.reset();
  EXPECT_FALSE(watched.expired());
  EXPECT_EQ(compiled.encode("ab b").ids, original.encode("ab b").ids);
}

// Whatever byte is damaged: an error, or a tokenizer that runs. Under the address sanitizer, without leaving the bytes.
TEST(CompiledTokenizer, SurvivesEveryDamagedByte) {
  size_t refused = 0;
  for (const File& file : files()) {
    const std::string form = CompiledTokenizer::make(Tokenizer::from_json(file.json(), "original"));
    for (size_t at = 0; at < form.size(); at += 1) {
      for (const int flip : {1, 0x80, 0xFF}) {
        std::string damaged = form;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        const auto bytes = std::make_shared<const Aligned>(damaged);
        try {
          const Tokenizer tokenizer = CompiledTokenizer::read(bytes->bytes(), bytes, "damaged");
          for (const char* text : {"ab b<mask>", "caba! 中NEW", "\xCC\x81"}) {
            tokenizer.decode(tokenizer.encode(text).ids, false);
          }
        } catch (const ModelLoadingError&) {
          refused++;
        }
      }
    }
  }
  EXPECT_GT(refused, 1000u);
}

TEST(CompiledTokenizer, EveryShorterFormIsRefused) {
  const std::string form = CompiledTokenizer::make(Tokenizer::from_json(File().json(), "original"));
  for (size_t size = 0; size < form.size(); size++) {
    const auto bytes = std::make_shared<const Aligned>(form.substr(0, size));
    EXPECT_THROW(CompiledTokenizer::read(bytes->bytes(), bytes, "short"), ModelLoadingError) << size;
  }
  const auto longer = std::make_shared<const Aligned>(form + std::string(8, '\0'));
  EXPECT_THROW(CompiledTokenizer::read(longer->bytes(), longer, "long"), ModelLoadingError);
  const auto moved = std::make_shared<const Aligned>(" " + form);
  EXPECT_THROW(CompiledTokenizer::read(moved->bytes().subspan(1), moved, "moved"), ModelLoadingError);
}

}  // namespace
}  // namespace bgem3
