#include "tokenizer/tokenizer_json.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "bgem3/tokenizer.h"
#include "tokenizer/test_files.h"

namespace bgem3 {
namespace {

// The file must be refused with that code, in one line that holds `text`.
void expect_refused(const test::File& file, ErrorCode code, std::string_view text) {
  SCOPED_TRACE(text);
  try {
    Tokenizer::from_json(file.json(), "tokenizer.json");
    ADD_FAILURE() << "was accepted";
  } catch (const ModelLoadingError& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    EXPECT_NE(message.find(text), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

void expect_unsupported(std::string test::File::*part, std::string_view json, std::string_view text) {
  test::File file;
  file.*part = json;
  expect_refused(file, ErrorCode::unsupported, text);
}

void expect_corrupt(std::string test::File::*part, std::string_view json, std::string_view text) {
  test::File file;
  file.*part = json;
  expect_refused(file, ErrorCode::corrupt, text);
}

using test::File;

TEST(TokenizerJson, RefusesComponentsByName) {
  for (const std::string_view type :
       {"NFC", "NFD", "NFKC", "NFKD", "Strip", "StripAccents", "Prepend", "ByteLevel", "Nmt"}) {
    expect_unsupported(&File::normalizer, fmt::format(R"({{"type":"{}"}})", type),
                       fmt::format("normalizer \"{}\"", type));
  }
  for (const std::string_view type : {"ByteLevel", "Whitespace", "Punctuation", "Digits", "Split", "UnicodeScripts"}) {
    expect_unsupported(&File::pre_tokenizer, fmt::format(R"({{"type":"{}"}})", type),
                       fmt::format("pre_tokenizer \"{}\"", type));
  }
  for (const std::string_view type : {"ByteLevel", "Sequence", "BPEDecoder", "CTC", "Fuse", "Replace"}) {
    expect_unsupported(&File::decoder, fmt::format(R"({{"type":"{}"}})", type), fmt::format("decoder \"{}\"", type));
  }
  for (const std::string_view type : {"BPE", "WordLevel"}) {
    expect_unsupported(&File::model, fmt::format(R"({{"type":"{}"}})", type), fmt::format("model \"{}\"", type));
  }
  for (const std::string_view type : {"ByteLevel", "Sequence"}) {
    expect_unsupported(&File::post_processor, fmt::format(R"({{"type":"{}"}})", type),
                       fmt::format("post_processor \"{}\"", type));
  }
  // Also inside of a sequence.
  expect_unsupported(&File::normalizer, R"({"type":"Sequence","normalizers":[{"type":"Lowercase"},{"type":"NFC"}]})",
                     "\"NFC\"");
}

TEST(TokenizerJson, RefusesOptionsByName) {
  expect_unsupported(&File::normalizer, R"({"type":"Lowercase","locale":"tr"})", "\"locale\"");
  expect_unsupported(&File::normalizer, R"({"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "})", "\\s+");
  expect_unsupported(&File::normalizer, R"({"type":"Replace","pattern":{"String":""},"content":" "})", "empty pattern");
  expect_unsupported(&File::pre_tokenizer, R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"last"})",
                     "\"last\"");
  expect_unsupported(&File::model, R"({"type":"Unigram","unk_id":null,"vocab":[["a",0]]})", "unk_id");
  expect_unsupported(&File::model, R"({"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["a",0]]})",
                     "byte_fallback");
  expect_unsupported(&File::model, R"({"vocab":{},"merges":[]})", "no type");
  expect_unsupported(&File::post_processor,
                     R"({"type":"RobertaProcessing","cls":["<s>",0],"sep":["</s>",1],"trim_offsets":true})",
                     "trim_offsets");
  expect_unsupported(&File::post_processor,
                     R"({"type":"TemplateProcessing","single":[],"pair":[],"special_tokens":{}})", "without the text");
  expect_unsupported(&File::more, R"("extra":1,)", "\"extra\"");
  expect_unsupported(&File::added_tokens, test::added_token(0, ""), "empty added token");
}

TEST(TokenizerJson, RefusesContradictions) {
  expect_corrupt(&File::model, R"({"type":"Unigram","unk_id":1,"vocab":[["a",0]]})", "from 0 to 0");
  expect_corrupt(&File::model, R"({"type":"Unigram","unk_id":0,"vocab":[]})", "empty");
  expect_corrupt(&File::model, R"({"type":"Unigram","unk_id":0,"vocab":[["a"]]})", "found 1");
  expect_corrupt(&File::model, R"({"type":"Unigram","unk_id":0,"vocab":[["a",1e400]]})", "tokenizer.json");
  expect_corrupt(&File::added_tokens, test::added_token(7, "<s>"), "its place in the vocabulary is 0");
  expect_corrupt(&File::added_tokens, test::added_token(99, "new"), "its place in the vocabulary is 12");
  expect_corrupt(&File::added_tokens, test::added_token(0, "<s>") + "," + test::added_token(0, "<s>"), "twice");
  expect_corrupt(&File::pre_tokenizer, R"({"type":"Metaspace","replacement":"▁","add_prefix_space":false})",
                 "prepend_scheme");
  expect_corrupt(&File::pre_tokenizer, R"({"type":"Metaspace","replacement":"ab"})", "one character");
  expect_corrupt(&File::pre_tokenizer, R"({"replacement":"ab"})", "\"type\"");
  expect_corrupt(&File::normalizer, R"({"type":"Precompiled","precompiled_charsmap":"*"})", "base64");
  expect_corrupt(&File::normalizer, R"({"type":"Precompiled","precompiled_charsmap":"AAAA"})", "too short");
  expect_corrupt(&File::normalizer, R"({"type":"Precompiled","precompiled_charsmap":"/////w=="})",
                 "longer than the map");
  expect_corrupt(&File::post_processor, R"({"type":"BertProcessing","cls":["x",99],"sep":["</s>",1]})", "id 99");
  expect_corrupt(
      &File::post_processor,
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}}],"pair":[],"special_tokens":{}})",
      "\"x\"");
}

TEST(TokenizerJson, RefusesBadWordPieceVocabularies) {
  const auto with_vocabulary = [](std::string_view vocabulary) {
    File file = test::bert_file();
    file.added_tokens = "";
    file.model = fmt::format(
        R"({{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##","max_input_chars_per_word":9,"vocab":{}}})",
        vocabulary);
    return file;
  };
  expect_refused(with_vocabulary(R"({"a":0})"), ErrorCode::corrupt, "unk_token \"u\"");
  expect_refused(with_vocabulary(R"({"u":0,"a":0})"), ErrorCode::corrupt, "belongs to \"u\" and \"a\"");
  expect_refused(with_vocabulary(R"({"u":4000000})"), ErrorCode::corrupt, "out of proportion");
  expect_refused(with_vocabulary(R"({"u":4294967296})"), ErrorCode::corrupt, "4294967296");
  expect_refused(with_vocabulary(R"({"u":-1})"), ErrorCode::corrupt, "-1");
}

TEST(TokenizerJson, AcceptsWhatFilesHave) {
  File file;
  file.normalizer = "null";
  file.pre_tokenizer = R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},
    {"type":"Metaspace","replacement":"▁","str_rep":"▁","add_prefix_space":true,"prepend_scheme":"always","split":true}]})";
  file.decoder = "null";
  file.post_processor = "null";
  const Tokenizer tokenizer = Tokenizer::from_json(file.json(), "tokenizer.json");
  EXPECT_EQ(tokenizer.template_tokens(), 0u);
  EXPECT_EQ(tokenizer.encode("  a \n ab ").ids, (std::vector<uint32_t>{5, 8}));
  EXPECT_EQ(tokenizer.decode(std::vector<uint32_t>{5, 8}), "▁a ▁ab");

  File bert = test::bert_file();  // a file of 2020 does not name its model
  const std::string_view type = R"("type":"WordPiece",)";
  bert.model.erase(bert.model.find(type), type.size());
  bert.post_processor =
      R"({"type":"RobertaProcessing","cls":["[CLS]",2],"sep":["[SEP]",3],"trim_offsets":false,"add_prefix_space":true})";
  EXPECT_EQ(Tokenizer::from_json(bert.json(), "tokenizer.json").encode("a").ids, (std::vector<uint32_t>{2, 5, 3}));
}

TEST(TokenizerJson, RefusesAddedTokensThatNormaliseToNothing) {
  File file = test::bert_file();
  file.added_tokens = test::added_token(20, "\u00AD", false, "false", "false", "false", "true");
  expect_refused(file, ErrorCode::unsupported, "nothing is left");
}

}  // namespace
}  // namespace bgem3
