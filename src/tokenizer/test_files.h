// Small tokenizer.json files for tests.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace bgem3::test {

// One entry of "added_tokens"; `flags` are more members, as JSON, that stand for the defaults.
inline std::string added_token(uint32_t id, std::string_view content, bool special = true,
                               std::string_view lstrip = "false", std::string_view rstrip = "false",
                               std::string_view single_word = "false", std::string_view normalized = "false") {
  return fmt::format(
      R"({{"id":{},"content":"{}","single_word":{},"lstrip":{},"rstrip":{},"normalized":{},"special":{}}})", id,
      content, single_word, lstrip, rstrip, normalized, special);
}

// The parts of a file, as JSON.
struct File {
  std::string added_tokens =
      added_token(0, "<s>") + "," + added_token(1, "</s>") + "," + added_token(3, "<mask>", true, "true");
  std::string normalizer = R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "})";
  std::string pre_tokenizer = R"({"type":"Metaspace","replacement":"▁","add_prefix_space":true})";
  std::string post_processor = R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
    {"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],"pair":[],
    "special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]},"</s>":{"id":"</s>","ids":[1],"tokens":["</s>"]}}})";
  std::string decoder = R"({"type":"Metaspace","replacement":"▁","add_prefix_space":true})";
  std::string model = R"({"type":"Unigram","unk_id":2,"byte_fallback":false,"vocab":[["<s>",0],["</s>",0],["<unk>",0],
    ["<mask>",0],["▁",-2],["▁a",-2.5],["b",-3],["ab",-4],["▁ab",-5],["<",-6],["s",-6],[">",-6]]})";
  std::string more;  // members of the file itself, each with a comma after it

  std::string json() const {
    return fmt::format(
        R"({{"version":"1.0",{}"truncation":null,"padding":null,"added_tokens":[{}],"normalizer":{},"pre_tokenizer":{},)"
        R"("post_processor":{},"decoder":{},"model":{}}})",
        more, added_tokens, normalizer, pre_tokenizer, post_processor, decoder, model);
  }
};

// A WordPiece file as BERT publishes them; letters a to c, some words, some punctuation.
inline File bert_file() {
  File file;
  file.added_tokens = added_token(0, "[PAD]") + "," + added_token(1, "[UNK]") + "," + added_token(2, "[CLS]") + "," +
                      added_token(3, "[SEP]") + "," + added_token(4, "[MASK]");
  file.normalizer =
      R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true})";
  file.pre_tokenizer = R"({"type":"BertPreTokenizer"})";
  file.post_processor = R"({"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]})";
  file.decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  file.model =
      R"({"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
    "vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"[MASK]":4,"a":5,"b":6,"c":7,"##a":8,"##b":9,"##c":10,"cab":11,"!":12,
    "中":13,"[":14,"]":15,"sep":16,"'":17,"##i":18,".":19}})";
  return file;
}

}  // namespace bgem3::test
