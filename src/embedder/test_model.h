// A tiny random BERT model in a folder, for tests. Start at TestModel.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "encoder/random_model.h"

namespace bgem3 {

// Files in the published layout: WordPiece over single letters, mean pooling, at most 64 tokens. Removed with the
// object.
class TestModel {
 public:
  // heads: it has those of the sparse and the multi-vector output.
  explicit TestModel(const std::string& name = "model", bool heads = true)
      : folder_(fmt::format("{}bgem3_{}_{}", testing::TempDir(), name, getpid())), model_(config()) {
    std::filesystem::create_directories(folder_ + "/1_Pooling");
    write("config.json", R"({"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
      "intermediate_size": 48, "vocab_size": 32, "max_position_embeddings": 64, "type_vocab_size": 2, "layer_norm_eps": 1e-5,
      "pad_token_id": 0, "hidden_act": "gelu"})");
    write("modules.json", R"([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
      {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
      {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}])");
    write("1_Pooling/config.json", R"({"word_embedding_dimension": 32, "pooling_mode_cls_token": false,
      "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false})");
    write("sentence_bert_config.json", R"({"max_seq_length": 64, "do_lower_case": false})");
    write("config_sentence_transformers.json", R"({"prompts": {"query": "q "}, "default_prompt_name": null})");
    write("tokenizer.json", tokenizer());
    write("model.safetensors", safetensors(heads));
  }
  ~TestModel() { std::filesystem::remove_all(folder_); }
  TestModel(const TestModel&) = delete;
  TestModel& operator=(const TestModel&) = delete;

  const std::string& folder() const { return folder_; }
  void write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << content;
  }

 private:
  static ModelConfig config() {
    ModelConfig config = tiny_config("bert", 32, 4, 48);
    config.vocab = 32;
    config.position_rows = 64;
    return config;
  }

  static std::string tokenizer() {
    std::string vocab = R"("[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "##a": 5)";
    for (char letter = 'a'; letter <= 'z'; letter++) vocab += fmt::format(", \"{}\": {}", letter, 6 + letter - 'a');
    std::string added;
    const char* names[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int id = 0; id < 5; id++) {
      added += fmt::format(R"({}{{"id": {}, "content": "{}", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true}})",
                           id ? ", " : "", id, names[id]);
    }
    return fmt::format(R"({{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [{}],
      "normalizer": {{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true}},
      "pre_tokenizer": {{"type": "BertPreTokenizer"}},
      "post_processor": {{"type": "TemplateProcessing",
        "single": [{{"SpecialToken": {{"id": "[CLS]", "type_id": 0}}}}, {{"Sequence": {{"id": "A", "type_id": 0}}}},
                   {{"SpecialToken": {{"id": "[SEP]", "type_id": 0}}}}],
        "pair": [{{"SpecialToken": {{"id": "[CLS]", "type_id": 0}}}}, {{"Sequence": {{"id": "A", "type_id": 0}}}},
                 {{"SpecialToken": {{"id": "[SEP]", "type_id": 0}}}}, {{"Sequence": {{"id": "B", "type_id": 1}}}},
                 {{"SpecialToken": {{"id": "[SEP]", "type_id": 1}}}}],
        "special_tokens": {{"[CLS]": {{"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}},
                            "[SEP]": {{"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}}}}},
      "decoder": {{"type": "WordPiece", "prefix": "##", "cleanup": true}},
      "model": {{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                 "vocab": {{{}}}}}}})",
                       added, vocab);
  }

  std::string safetensors(bool heads) const {
    const Weights weights = model_.weights();
    std::vector<std::pair<std::string, const Tensor*>> tensors = {
        {"embeddings.word_embeddings.weight", &weights.word_embeddings},
        {"embeddings.position_embeddings.weight", &weights.position_embeddings},
        {"embeddings.token_type_embeddings.weight", &weights.token_type_embeddings},
        {"embeddings.LayerNorm.weight", &weights.embedding_norm_weight},
        {"embeddings.LayerNorm.bias", &weights.embedding_norm_bias}};
    for (size_t i = 0; i < weights.layers.size(); i++) {
      const LayerWeights& layer = weights.layers[i];
      const auto add = [&](const std::string& name, const Tensor& weight, const Tensor& bias) {
        tensors.emplace_back(fmt::format("encoder.layer.{}.{}.weight", i, name), &weight);
        tensors.emplace_back(fmt::format("encoder.layer.{}.{}.bias", i, name), &bias);
      };
      add("attention.self.query", layer.query_weight, layer.query_bias);
      add("attention.self.key", layer.key_weight, layer.key_bias);
      add("attention.self.value", layer.value_weight, layer.value_bias);
      add("attention.output.dense", layer.attention_output_weight, layer.attention_output_bias);
      add("attention.output.LayerNorm", layer.attention_norm_weight, layer.attention_norm_bias);
      add("intermediate.dense", layer.intermediate_weight, layer.intermediate_bias);
      add("output.dense", layer.output_weight, layer.output_bias);
      add("output.LayerNorm", layer.output_norm_weight, layer.output_norm_bias);
    }
    if (heads) {
      tensors.emplace_back("sparse_linear.weight", &weights.sparse_head.weight);
      tensors.emplace_back("sparse_linear.bias", &weights.sparse_head.bias);
      tensors.emplace_back("colbert_linear.weight", &weights.multi_head.weight);
      tensors.emplace_back("colbert_linear.bias", &weights.multi_head.bias);
    }
    std::string header = "{", data;
    for (const auto& [name, tensor] : tensors) {
      header +=
          fmt::format(R"({}"{}": {{"dtype": "F32", "shape": {}, "data_offsets": [{}, {}]}})", header == "{" ? "" : ", ",
                      name, shape_text(tensor->shape), data.size(), data.size() + tensor->bytes.size());
      data.append(reinterpret_cast<const char*>(tensor->bytes.data()), tensor->bytes.size());
    }
    header += "}";
    const uint64_t size = header.size();
    return std::string(reinterpret_cast<const char*>(&size), sizeof size) + header + data;
  }

  std::string folder_;
  RandomModel model_;
};

}  // namespace bgem3
