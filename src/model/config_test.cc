#include "model/config.h"

#include <gtest/gtest.h>

#include "model/test_files.h"

namespace bgem3 {
namespace {

using Texts = std::map<std::string, std::string>;

TextSource source_of(const Texts& texts) {
  return [&texts](const std::string& name) -> std::optional<std::string> {
    const auto found = texts.find(name);
    if (found == texts.end()) return std::nullopt;
    return found->second;
  };
}

ModelConfig read(const Texts& texts) { return read_config(source_of(texts), "/m/"); }

Caught read_error(const Texts& texts) {
  return caught([&] { read(texts); });
}

constexpr const char* kModules =
    R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
        {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"},
        {"idx":2,"name":"2","path":"2_Normalize","type":"sentence_transformers.models.Normalize"}])";

// The published files of bge-m3, as far as they matter.
Texts bge_m3() {
  return {{"config.json",
           R"({"architectures":["XLMRobertaModel"],"hidden_act":"gelu","hidden_size":1024,"intermediate_size":4096,
               "layer_norm_eps":1e-05,"max_position_embeddings":8194,"model_type":"xlm-roberta","num_attention_heads":16,
               "num_hidden_layers":24,"output_past":true,"pad_token_id":1,"position_embedding_type":"absolute",
               "torch_dtype":"float32","type_vocab_size":1,"use_cache":true,"vocab_size":250002})"},
          {"modules.json", kModules},
          {"1_Pooling/config.json",
           R"({"word_embedding_dimension":1024,"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false,
               "pooling_mode_max_tokens":false,"pooling_mode_mean_sqrt_len_tokens":false})"},
          {"sentence_bert_config.json", R"({"max_seq_length":8192,"do_lower_case":false})"},
          {"tokenizer_config.json", R"({"model_max_length":8192})"}};
}

// The published files of all-MiniLM-L6-v2.
Texts minilm() {
  return {{"config.json",
           R"({"hidden_act":"gelu","hidden_size":384,"intermediate_size":1536,"layer_norm_eps":1e-12,
               "max_position_embeddings":512,"model_type":"bert","num_attention_heads":12,"num_hidden_layers":6,
               "pad_token_id":0,"type_vocab_size":2,"vocab_size":30522})"},
          {"modules.json", kModules},
          {"1_Pooling/config.json",
           R"({"word_embedding_dimension":384,"pooling_mode_cls_token":false,"pooling_mode_mean_tokens":true})"},
          {"sentence_bert_config.json", R"({"max_seq_length":256,"do_lower_case":false})"},
          {"tokenizer_config.json", R"({"do_lower_case":true,"model_max_length":512})"}};
}

// bge_m3() with a piece of one file replaced.
Texts changed(const std::string& file, const std::string& from, const std::string& to, Texts texts = bge_m3()) {
  std::string& text = texts.at(file);
  const size_t at = text.find(from);
  if (at == std::string::npos) throw std::logic_error("nothing to replace: " + from);
  text.replace(at, from.size(), to);
  return texts;
}

TEST(Config, BgeM3) {
  const ModelConfig config = read(bge_m3());
  EXPECT_EQ(config.model_type, "xlm-roberta");
  EXPECT_EQ(config.hidden, 1024u);
  EXPECT_EQ(config.layers, 24u);
  EXPECT_EQ(config.heads, 16u);
  EXPECT_EQ(config.head_size(), 64u);
  EXPECT_EQ(config.ffn, 4096u);
  EXPECT_EQ(config.vocab, 250002u);
  EXPECT_EQ(config.position_rows, 8194u);
  EXPECT_EQ(config.token_types, 1u);
  EXPECT_EQ(config.layer_norm_eps, 1e-5f);
  EXPECT_EQ(config.pad_id, 1u);
  EXPECT_EQ(config.max_tokens, 8192u);
  EXPECT_EQ(config.pooling, Pooling::cls);
  EXPECT_TRUE(config.normalize);
}

TEST(Config, MiniLm) {
  const ModelConfig config = read(minilm());
  EXPECT_EQ(config.model_type, "bert");
  EXPECT_EQ(config.pad_id, 0u);
  EXPECT_EQ(config.token_types, 2u);
  EXPECT_EQ(config.layer_norm_eps, 1e-12f);
  EXPECT_EQ(config.max_tokens, 256u);
  EXPECT_EQ(config.pooling, Pooling::mean);
  EXPECT_TRUE(config.normalize);
}

TEST(Config, WhereFilesAreSilent) {
  Texts texts = {{"config.json", minilm()["config.json"]}};
  EXPECT_EQ(read(texts).pooling, Pooling::mean);
  EXPECT_FALSE(read(texts).normalize);
  EXPECT_EQ(read(texts).max_tokens, 512u);
  texts["tokenizer_config.json"] = R"({"model_max_length":128})";
  EXPECT_EQ(read(texts).max_tokens, 128u);
  texts["tokenizer_config.json"] = R"({"model_max_length":1000000000000000019884624838656})";
  EXPECT_EQ(read(texts).max_tokens, 512u);
  texts["sentence_bert_config.json"] = R"({"max_seq_length":null})";
  EXPECT_EQ(read(texts).max_tokens, 512u);
  texts["config.json"] =
      R"({"model_type":"xlm-roberta","hidden_size":8,"intermediate_size":8,"max_position_embeddings":10,
                             "num_attention_heads":2,"num_hidden_layers":1,"vocab_size":9})";
  EXPECT_EQ(read(texts).pad_id, 1u);
  EXPECT_EQ(read(texts).token_types, 2u);
  EXPECT_EQ(read(texts).layer_norm_eps, 1e-12f);
  EXPECT_EQ(read(texts).max_tokens, 8u);
}

TEST(Config, TheLimitNeverExceedsThePositions) {
  EXPECT_EQ(read(changed("sentence_bert_config.json", "8192", "9000")).max_tokens, 8192u);
  EXPECT_EQ(read(changed("config.json", "8194", "514")).max_tokens, 512u);
  EXPECT_EQ(read(changed("config.json", "\"pad_token_id\":1", "\"pad_token_id\":5")).max_tokens, 8188u);
  EXPECT_EQ(read(changed("sentence_bert_config.json", "256", "9000", minilm())).max_tokens, 512u);
  EXPECT_EQ(read(changed("sentence_bert_config.json", "8192", "100")).max_tokens, 100u);
}

TEST(Config, OlderNamesOfTheLimitsFile) {
  Texts texts = bge_m3();
  texts["sentence_xlm-roberta_config.json"] = R"({"max_seq_length":77})";
  EXPECT_EQ(read(texts).max_tokens, 8192u);
  texts.erase("sentence_bert_config.json");
  EXPECT_EQ(read(texts).max_tokens, 77u);
}

TEST(Config, PoolingSpellings) {
  Texts texts = bge_m3();
  texts["1_Pooling/config.json"] = R"({"embedding_dimension":1024,"pooling_mode":"cls","include_prompt":true})";
  EXPECT_EQ(read(texts).pooling, Pooling::cls);
  texts["1_Pooling/config.json"] = R"({"embedding_dimension":1024,"pooling_mode":"mean"})";
  EXPECT_EQ(read(texts).pooling, Pooling::mean);
  texts["1_Pooling/config.json"] = "{}";
  EXPECT_EQ(read(texts).pooling, Pooling::mean);
}

TEST(Config, PoolingFolderIsTheOneOfModulesJson) {
  Texts texts = changed("modules.json", "1_Pooling", "pool/ing");
  EXPECT_EQ(read_error(texts).code, ErrorCode::not_found);
  texts["pool/ing/config.json"] = R"({"pooling_mode":"mean"})";
  EXPECT_EQ(read(texts).pooling, Pooling::mean);
}

TEST(Config, WithoutNormalize) {
  Texts texts = bge_m3();
  texts["modules.json"] = R"([{"path":"","type":"sentence_transformers.models.Transformer"},
                              {"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}])";
  EXPECT_FALSE(read(texts).normalize);
}

// bge-*-en say do_lower_case for a tokenizer that lower-cases anyway.
TEST(Config, LowerCaseOnlyWhereTheTokenizerDoesItAnyway) {
  const Texts bert =
      changed("sentence_bert_config.json", "\"do_lower_case\":false", "\"do_lower_case\":true", minilm());
  EXPECT_EQ(read(bert).max_tokens, 256u);
  EXPECT_EQ(read_error(changed("tokenizer_config.json", "true", "false", bert)).code, ErrorCode::unsupported);
  EXPECT_EQ(read_error(changed("sentence_bert_config.json", "false", "true")).code, ErrorCode::unsupported);
}

struct Refusal {
  Texts texts;
  ErrorCode code;
  const char* says;
};

TEST(Config, EveryRefusal) {
  const auto config = [](const std::string& from, const std::string& to) { return changed("config.json", from, to); };
  const auto pooling = [](const std::string& text) {
    Texts texts = bge_m3();
    texts["1_Pooling/config.json"] = text;
    return texts;
  };
  const auto modules = [](const std::string& text) {
    Texts texts = bge_m3();
    texts["modules.json"] = text;
    return texts;
  };
  const ErrorCode corrupt = ErrorCode::corrupt, unsupported = ErrorCode::unsupported;
  const std::string transformer = R"({"path":"","type":"sentence_transformers.models.Transformer"})";
  const std::string pool = R"({"path":"1_Pooling","type":"sentence_transformers.models.Pooling"})";
  const std::string dense = R"({"path":"2_Dense","type":"sentence_transformers.models.Dense"})";
  const Refusal refusals[] = {
      {{}, ErrorCode::not_found, "/m/config.json: no such file"},
      {{{"config.json", ""}}, corrupt, "/m/config.json: not valid JSON"},
      {{{"config.json", "[]"}}, corrupt, "expected an object"},
      {{{"config.json", "{}"}}, corrupt, "\"model_type\" is missing"},
      {{{"config.json", "<html>"}}, corrupt, "not valid JSON"},
      {config("\"xlm-roberta\"", "\"roberta\""), unsupported,
       "model_type is \"roberta\"; bgem3 runs \"xlm-roberta\" and \"bert\""},
      {config("\"xlm-roberta\"", "7"), corrupt, "expected a string"},
      {config("\"hidden_size\":1024,", ""), corrupt, "the key \"hidden_size\" is missing"},
      {config("\"hidden_size\":1024", "\"hidden_size\":0"), corrupt, "key \"hidden_size\" is 0, expected 1 to 65536"},
      {config("\"hidden_size\":1024", "\"hidden_size\":-4"), corrupt, "\"hidden_size\""},
      {config("\"hidden_size\":1024", "\"hidden_size\":10.5"), corrupt, "\"hidden_size\""},
      {config("\"hidden_size\":1024", "\"hidden_size\":18446744073709551616"), corrupt, "\"hidden_size\""},
      {config("\"hidden_size\":1024", "\"hidden_size\":\"1024\""), corrupt, "\"hidden_size\""},
      {config("\"hidden_size\":1024", "\"hidden_size\":1023"), corrupt,
       "hidden_size 1023 is not a multiple of num_attention_heads 16"},
      {config("\"num_attention_heads\":16", "\"num_attention_heads\":0"), corrupt, "\"num_attention_heads\""},
      {config("\"num_hidden_layers\":24", "\"num_hidden_layers\":1000000000"), corrupt, "from 0 to 1024"},
      {config("\"intermediate_size\":4096", "\"intermediate_size\":0"), corrupt, "\"intermediate_size\""},
      {config("250002", "4294967297"), corrupt, "\"vocab_size\""},
      {config("8194", "2"), corrupt, "leaves no position after pad_token_id 1"},
      {config("\"pad_token_id\":1", "\"pad_token_id\":250002"), corrupt, "\"pad_token_id\""},
      {config("\"type_vocab_size\":1", "\"type_vocab_size\":0"), corrupt, "\"type_vocab_size\""},
      {config("1e-05", "0"), corrupt, "layer_norm_eps"},
      {config("1e-05", "-1e-5"), corrupt, "layer_norm_eps"},
      {config("1e-05", "1e300"), corrupt, "layer_norm_eps"},
      {config("1e-05", "1e-300"), corrupt, "layer_norm_eps"},
      {config("1e-05", "1e999"), corrupt, "not valid JSON"},
      {config("1e-05", "\"small\""), corrupt, "expected a number"},
      {config("\"gelu\"", "\"gelu_new\""), unsupported, "\"hidden_act\" is \"gelu_new\"; bgem3 runs only \"gelu\""},
      {config("\"gelu\"", "\"relu\""), unsupported, "\"relu\""},
      {config("\"absolute\"", "\"relative_key\""), unsupported, "\"position_embedding_type\" is \"relative_key\""},
      {config("\"use_cache\":true", "\"is_decoder\":true"), unsupported, "\"is_decoder\" is true"},
      {config("\"use_cache\":true", "\"add_cross_attention\":true"), unsupported, "\"add_cross_attention\" is true"},
      {config("\"use_cache\":true", "\"auto_map\":{\"AutoModel\":\"x.Y\"}"), unsupported, "\"auto_map\""},
      {config("\"use_cache\":true", "\"quantization_config\":{}"), unsupported, "\"quantization_config\""},
      {config("\"use_cache\":true", "\"pruned_heads\":{\"1\":[0]}"), unsupported, "\"pruned_heads\""},
      {config("\"use_cache\":true", "\"vocab_size\":3"), corrupt, "appears twice"},
      {pooling(R"({"pooling_mode":"max"})"), unsupported,
       "\"pooling_mode\" is \"max\"; bgem3 runs \"cls\" and \"mean\""},
      {pooling(R"({"pooling_mode_max_tokens":true})"), unsupported, "\"pooling_mode_max_tokens\" is true"},
      {pooling(R"({"pooling_mode_lasttoken":true})"), unsupported, "\"pooling_mode_lasttoken\" is true"},
      {pooling(R"({"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":true})"), unsupported, "are both true"},
      {pooling(R"({"pooling_mode_cls_token":true})"), unsupported, "are both true"},
      {pooling(R"({"pooling_mode_mean_tokens":false})"), unsupported, "are both false"},
      {pooling(R"({"pooling_mode_cls_token":1})"), corrupt, "expected a boolean"},
      {pooling(R"({"word_embedding_dimension":768})"), corrupt,
       "\"word_embedding_dimension\" is 768, but hidden_size of config.json is 1024"},
      {pooling(R"({"include_prompt":false})"), unsupported, "\"include_prompt\" is false"},
      {modules("{}"), corrupt, "expected an array"},
      {modules("[]"), unsupported, "0 modules"},
      {modules("[" + transformer + "]"), unsupported, "1 modules, expected Transformer, Pooling"},
      {modules("[" + transformer + "," + pool + "," + dense + "]"), unsupported,
       "module 2 is \"sentence_transformers.models.Dense\", expected Normalize"},
      {modules("[" + pool + "," + transformer + "]"), unsupported,
       "module 0 is \"sentence_transformers.models.Pooling\", expected Transformer"},
      {modules("[" + transformer + "," + pool + R"(,{"path":"2_Normalize","type":"mine.Normalize"}])"), unsupported,
       "\"mine.Normalize\""},
      {changed("modules.json", "1_Pooling", "../other"), corrupt, "leaves the model's folder"},
      {changed("modules.json", "1_Pooling", "/etc"), corrupt, "leaves the model's folder"},
      {changed("modules.json", "\"path\":\"\"", "\"path\":\"0_Transformer\""), unsupported,
       "the Transformer is in the folder \"0_Transformer\""},
      {changed("sentence_bert_config.json", "8192", "0"), corrupt, "\"max_seq_length\" is 0"},
      {changed("sentence_bert_config.json", "8192", "-1"), corrupt, "\"max_seq_length\""},
  };
  for (const Refusal& refusal : refusals) {
    const Caught error = read_error(refusal.texts);
    EXPECT_TRUE(error.thrown) << refusal.says;
    EXPECT_EQ(error.code, refusal.code) << error.message;
    EXPECT_TRUE(error.says(refusal.says)) << error.message << " | " << refusal.says;
    EXPECT_TRUE(error.says("/m/")) << error.message;
  }
}

TEST(Prompts, Read) {
  Texts texts;
  EXPECT_TRUE(read_prompts(source_of(texts), "").texts.empty());
  texts["config_sentence_transformers.json"] = R"({"__version__":{}})";
  EXPECT_TRUE(read_prompts(source_of(texts), "").texts.empty());
  texts["config_sentence_transformers.json"] =
      R"({"prompts":{"query":"query: ","passage":"passage: "},"default_prompt_name":"query"})";
  const Prompts prompts = read_prompts(source_of(texts), "");
  EXPECT_EQ(prompts.texts, (std::map<std::string, std::string>{{"query", "query: "}, {"passage", "passage: "}}));
  EXPECT_EQ(prompts.default_name, "query");
  texts["config_sentence_transformers.json"] = R"({"prompts":{},"default_prompt_name":null})";
  EXPECT_EQ(read_prompts(source_of(texts), "").default_name, "");
  texts["config_sentence_transformers.json"] = R"({"prompts":{},"default_prompt_name":"query"})";
  EXPECT_TRUE(caught([&] { read_prompts(source_of(texts), ""); }).says("\"query\" is not among the prompts"));
  texts["config_sentence_transformers.json"] = R"({"prompts":{"query":1}})";
  EXPECT_TRUE(caught([&] { read_prompts(source_of(texts), ""); }).says("expected a string"));
}

TEST(PoolingNames, ThereAndBack) {
  EXPECT_EQ(parse_pooling(to_string(Pooling::cls)), Pooling::cls);
  EXPECT_EQ(parse_pooling(to_string(Pooling::mean)), Pooling::mean);
  const Caught error = caught([] { parse_pooling("max"); });
  EXPECT_EQ(error.code, ErrorCode::invalid_input);
  EXPECT_TRUE(error.says("\"max\": expected cls or mean"));
}

}  // namespace
}  // namespace bgem3
