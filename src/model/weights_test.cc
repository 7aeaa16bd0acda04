#include "model/weights.h"

#include <gtest/gtest.h>

#include <deque>

#include "model/config.h"
#include "model/test_files.h"

namespace bgem3 {
namespace {

ModelConfig tiny_config() {
  ModelConfig config;
  config.model_type = "bert";
  config.hidden = 4;
  config.layers = 2;
  config.heads = 2;
  config.ffn = 3;
  config.vocab = 5;
  config.position_rows = 6;
  config.token_types = 2;
  return config;
}

struct Named {
  std::string name;
  std::vector<size_t> shape;
};

// Written out by hand, so that it checks the table of weights.cc and does not repeat it.
std::vector<Named> tiny_tensors() {
  std::vector<Named> tensors = {{"embeddings.word_embeddings.weight", {5, 4}},
                                {"embeddings.position_embeddings.weight", {6, 4}},
                                {"embeddings.token_type_embeddings.weight", {2, 4}},
                                {"embeddings.LayerNorm.weight", {4}},
                                {"embeddings.LayerNorm.bias", {4}}};
  for (const char* layer : {"encoder.layer.0.", "encoder.layer.1."}) {
    for (const char* part :
         {"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"}) {
      tensors.push_back({std::string(layer) + part + ".weight", {4, 4}});
      tensors.push_back({std::string(layer) + part + ".bias", {4}});
    }
    for (const char* norm : {"attention.output.LayerNorm", "output.LayerNorm"}) {
      tensors.push_back({std::string(layer) + norm + ".weight", {4}});
      tensors.push_back({std::string(layer) + norm + ".bias", {4}});
    }
    tensors.push_back({std::string(layer) + "intermediate.dense.weight", {3, 4}});
    tensors.push_back({std::string(layer) + "intermediate.dense.bias", {3}});
    tensors.push_back({std::string(layer) + "output.dense.weight", {4, 3}});
    tensors.push_back({std::string(layer) + "output.dense.bias", {4}});
  }
  return tensors;
}

size_t product(const std::vector<size_t>& shape) {
  size_t elements = 1;
  for (const size_t size : shape) elements *= size;
  return elements;
}

// Tensors whose every element is the tensor's place in the list.
struct Made {
  std::deque<std::string> data;
  std::vector<Tensor> tensors;
};
Made make(const std::vector<Named>& list, const std::string& prefix = "") {
  Made made;
  for (size_t i = 0; i < list.size(); ++i) {
    made.data.push_back(floats(std::vector<float>(product(list[i].shape), static_cast<float>(i))));
    made.tensors.push_back({.name = prefix + list[i].name,
                            .dtype = DType::f32,
                            .shape = list[i].shape,
                            .bytes = as_bytes(made.data.back()),
                            .file = "file"});
  }
  return made;
}

std::string safetensors_of(const std::vector<Named>& list) {
  std::string header = "{", data;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string bytes = floats(std::vector<float>(product(list[i].shape), static_cast<float>(i)));
    header += (i ? ",\"" : "\"") + list[i].name + "\":{\"dtype\":\"F32\",\"shape\":" + shape_text(list[i].shape) +
              ",\"data_offsets\":[" + std::to_string(data.size()) + "," + std::to_string(data.size() + bytes.size()) +
              "]}";
    data += bytes;
  }
  return safetensors(header + "}", data);
}

std::string torch_zip_of(const std::vector<Named>& list) {
  std::vector<std::pair<std::string, std::string>> items;
  std::vector<ZipRecord> records(1);
  for (size_t i = 0; i < list.size(); ++i) {
    std::vector<int32_t> shape(list[i].shape.begin(), list[i].shape.end()), strides(shape.size(), 1);
    if (shape.size() == 2) strides[0] = shape[1];
    const auto elements = static_cast<int32_t>(product(list[i].shape));
    items.emplace_back(list[i].name,
                       pickle::tensor(pickle::storage("FloatStorage", std::to_string(i), elements), 0, shape, strides));
    records.push_back({.name = "archive/data/" + std::to_string(i),
                       .content = floats(std::vector<float>(product(list[i].shape), static_cast<float>(i)))});
  }
  records[0] = {.name = "archive/data.pkl", .content = pickle::whole(pickle::dictionary(items))};
  return zip(records);
}

float first_value(const Tensor& tensor) {
  float value;
  convert_to_f32(tensor, 0, {&value, 1});
  return value;
}

Caught pick_error(const std::vector<Named>& list, const ModelConfig& config = tiny_config()) {
  Made made = make(list);
  return caught([&] { pick_weights(made.tensors, config, "file"); });
}

size_t place_of(const std::string& name) {
  const auto list = tiny_tensors();
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].name == name) return i;
  }
  throw std::logic_error(name);
}

TEST(PickWeights, PutsEveryTensorInItsPlaceUnderEveryPrefix) {
  for (const char* prefix : {"", "roberta.", "bert.", "model."}) {
    Made made = make(tiny_tensors(), prefix);
    const Weights weights = pick_weights(made.tensors, tiny_config(), "file");
    const auto expect = [](const Tensor& tensor, const std::string& name) {
      EXPECT_TRUE(tensor.name.ends_with(name)) << tensor.name;
      EXPECT_EQ(first_value(tensor), static_cast<float>(place_of(name))) << name;
    };
    expect(weights.word_embeddings, "embeddings.word_embeddings.weight");
    expect(weights.position_embeddings, "embeddings.position_embeddings.weight");
    expect(weights.token_type_embeddings, "embeddings.token_type_embeddings.weight");
    expect(weights.embedding_norm_weight, "embeddings.LayerNorm.weight");
    expect(weights.embedding_norm_bias, "embeddings.LayerNorm.bias");
    ASSERT_EQ(weights.layers.size(), 2u);
    for (size_t n = 0; n < 2; ++n) {
      const std::string layer = "encoder.layer." + std::to_string(n) + ".";
      const LayerWeights& l = weights.layers[n];
      expect(l.query_weight, layer + "attention.self.query.weight");
      expect(l.query_bias, layer + "attention.self.query.bias");
      expect(l.key_weight, layer + "attention.self.key.weight");
      expect(l.key_bias, layer + "attention.self.key.bias");
      expect(l.value_weight, layer + "attention.self.value.weight");
      expect(l.value_bias, layer + "attention.self.value.bias");
      expect(l.attention_output_weight, layer + "attention.output.dense.weight");
      expect(l.attention_output_bias, layer + "attention.output.dense.bias");
      expect(l.attention_norm_weight, layer + "attention.output.LayerNorm.weight");
      expect(l.attention_norm_bias, layer + "attention.output.LayerNorm.bias");
      expect(l.intermediate_weight, layer + "intermediate.dense.weight");
      expect(l.intermediate_bias, layer + "intermediate.dense.bias");
      expect(l.output_weight, layer + "output.dense.weight");
      expect(l.output_bias, layer + "output.dense.bias");
      expect(l.output_norm_weight, layer + "output.LayerNorm.weight");
      expect(l.output_norm_bias, layer + "output.LayerNorm.bias");
    }
  }
}

TEST(PickWeights, IgnoresWhatTheEncoderDoesNotUse) {
  auto list = tiny_tensors();
  list.push_back({"pooler.dense.weight", {4, 4}});
  list.push_back({"embeddings.position_ids", {1, 6}});
  list.push_back({"lm_head.bias", {5}});
  list.push_back({"classifier.weight", {2, 4}});
  EXPECT_FALSE(pick_error(list).thrown);
}

TEST(PickWeights, EveryMissingTensorIsNamed) {
  for (size_t i = 0; i < tiny_tensors().size(); ++i) {
    auto list = tiny_tensors();
    const std::string name = list[i].name;
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
    const Caught error = pick_error(list);
    EXPECT_EQ(error.code, ErrorCode::corrupt);
    EXPECT_TRUE(error.says("1 tensors do not fit config.json: \"" + name + "\" " + shape_text(tiny_tensors()[i].shape) +
                           " is missing"))
        << error.message;
  }
}

TEST(PickWeights, EveryWrongShapeIsNamed) {
  for (size_t i = 0; i < tiny_tensors().size(); ++i) {
    auto list = tiny_tensors();
    list[i].shape[0] += 1;
    const Caught error = pick_error(list);
    EXPECT_TRUE(error.says("\"" + list[i].name + "\" is " + shape_text(list[i].shape) + ", expected " +
                           shape_text(tiny_tensors()[i].shape)))
        << error.message;
    list[i].shape = {product(tiny_tensors()[i].shape), 1, 1};
    EXPECT_TRUE(pick_error(list).thrown);
  }
}

TEST(PickWeights, ConfigAndTensorsDisagree) {
  const auto with = [](size_t ModelConfig::*member, size_t value) {
    ModelConfig config = tiny_config();
    config.*member = value;
    return pick_error(tiny_tensors(), config);
  };
  EXPECT_TRUE(with(&ModelConfig::vocab, 6).says("is [5, 4], expected [6, 4]"));
  EXPECT_TRUE(with(&ModelConfig::ffn, 8).says("is [3, 4], expected [8, 4]"));
  EXPECT_TRUE(with(&ModelConfig::position_rows, 7).says("is [6, 4], expected [7, 4]"));
  EXPECT_TRUE(with(&ModelConfig::token_types, 1).says("is [2, 4], expected [1, 4]"));
  EXPECT_TRUE(with(&ModelConfig::layers, 3)
                  .says("16 tensors do not fit config.json: \"encoder.layer.2.attention.self.query.weight\""));
  EXPECT_TRUE(with(&ModelConfig::layers, 1)
                  .says("\"encoder.layer.1.attention.self.query.weight\" is there, but num_hidden_layers is 1"));
  const Caught hidden = with(&ModelConfig::hidden, 8);
  EXPECT_TRUE(hidden.says("; ...;")) << hidden.message;
  EXPECT_LT(hidden.message.size(), 700u);
}

TEST(PickWeights, RefusesOtherTypesDoublesAndTwoEncoders) {
  Made made = make(tiny_tensors());
  made.tensors[3].dtype = DType::i32;
  const Caught type = caught([&] { pick_weights(made.tensors, tiny_config(), "file"); });
  EXPECT_EQ(type.code, ErrorCode::unsupported);
  EXPECT_TRUE(type.says("\"embeddings.LayerNorm.weight\" holds I32")) << type.message;
  auto list = tiny_tensors();
  list.push_back(list[2]);
  EXPECT_TRUE(pick_error(list).says("is there twice"));
  list = tiny_tensors();
  list.push_back({"bert.embeddings.word_embeddings.weight", {5, 4}});
  EXPECT_TRUE(pick_error(list).says("two encoders"));
}

ModelFiles files_of(const TemporaryFolder& folder) {
  folder.write("config.json", "{}");
  folder.write("tokenizer.json", "{}");
  return find_model_in_folder(folder.path());
}

std::vector<Named> with_heads(const std::string& prefix = "") {
  auto list = tiny_tensors();
  for (Named& tensor : list) tensor.name = prefix + tensor.name;
  list.push_back({"sparse_linear.weight", {1, 4}});
  list.push_back({"sparse_linear.bias", {1}});
  list.push_back({"colbert_linear.weight", {4, 4}});
  list.push_back({"colbert_linear.bias", {4}});
  return list;
}

TEST(PickWeights, HeadsStandBesideTheEncoder) {
  for (const char* prefix : {"", "model."}) {
    Made made = make(with_heads(prefix));
    const Weights weights = pick_weights(made.tensors, tiny_config(), "file");
    const auto first = static_cast<float>(tiny_tensors().size());
    EXPECT_EQ(first_value(weights.sparse_head.weight), first);
    EXPECT_EQ(first_value(weights.sparse_head.bias), first + 1);
    EXPECT_EQ(first_value(weights.multi_head.weight), first + 2);
    EXPECT_EQ(first_value(weights.multi_head.bias), first + 3);
  }
  Made made = make(tiny_tensors());
  const Weights without = pick_weights(made.tensors, tiny_config(), "file");
  EXPECT_FALSE(without.sparse_head.is_there() || without.multi_head.is_there());
}

TEST(PickWeights, AHeadInPartOrOfAnotherShapeIsRefused) {
  for (size_t i = tiny_tensors().size(); i < with_heads().size(); ++i) {
    auto list = with_heads();
    list[i].shape[0] += 1;
    EXPECT_TRUE(pick_error(list).says("\"" + list[i].name + "\" is " + shape_text(list[i].shape) + ", expected "));
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
    const std::string name = with_heads()[i].name;
    EXPECT_TRUE(pick_error(list).says("\"" + name + "\" " + shape_text(with_heads()[i].shape) + " is missing")) << name;
  }
}

TEST(LoadWeights, AHeadsOwnFileGoesBeforeATensorOfTheWeights) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", safetensors_of(with_heads()));
  folder.write("sparse_linear.pt", torch_zip_of({{"other", {2}}, {"weight", {1, 4}}, {"bias", {1}}}));
  const ModelFiles files = files_of(folder);
  ASSERT_TRUE(files.has("sparse_linear.pt"));
  const Weights weights = load_weights(files, tiny_config());
  EXPECT_EQ(first_value(weights.sparse_head.weight), 1.0f);
  EXPECT_EQ(first_value(weights.sparse_head.bias), 2.0f);
  EXPECT_EQ(first_value(weights.multi_head.weight), static_cast<float>(tiny_tensors().size() + 2));
  folder.write("colbert_linear.pt", torch_zip_of({{"linear.weight", {4, 4}}}));
  const Caught error = caught([&] { load_weights(files_of(folder), tiny_config()); });
  EXPECT_EQ(error.code, ErrorCode::corrupt);
  EXPECT_TRUE(error.says("colbert_linear.pt: expected the tensors \"weight\" and \"bias\"")) << error.message;
}

TEST(LoadWeights, SafetensorsAndTorchGiveTheSame) {
  const TemporaryFolder one, other;
  one.write("model.safetensors", safetensors_of(tiny_tensors()));
  other.write("pytorch_model.bin", torch_zip_of(tiny_tensors()));
  const Weights a = load_weights(files_of(one), tiny_config());
  Weights moved_from = load_weights(files_of(other), tiny_config());
  const Weights b = std::move(moved_from);
  EXPECT_EQ(a.format, "safetensors");
  EXPECT_EQ(b.format, "pytorch");
  EXPECT_EQ(first_value(a.layers[1].output_norm_bias), first_value(b.layers[1].output_norm_bias));
  EXPECT_EQ(first_value(b.layers[1].output_weight),
            static_cast<float>(place_of("encoder.layer.1.output.dense.weight")));
}

TEST(LoadWeights, Shards) {
  const TemporaryFolder folder;
  auto list = tiny_tensors();
  const std::vector<Named> first(list.begin(), list.begin() + 10), second(list.begin() + 10, list.end());
  const auto index_of = [](const std::vector<Named>& a, const std::vector<Named>& b) {
    std::string map;
    for (const Named& tensor : a) map += (map.empty() ? "\"" : ",\"") + tensor.name + "\":\"1.safetensors\"";
    for (const Named& tensor : b) map += ",\"" + tensor.name + "\":\"2.safetensors\"";
    return "{\"weight_map\":{" + map + "}}";
  };
  folder.write("1.safetensors", safetensors_of(first));
  folder.write("2.safetensors", safetensors_of(second));
  folder.write("model.safetensors.index.json", index_of(first, second));
  EXPECT_EQ(load_weights(files_of(folder), tiny_config()).layers.size(), 2u);
  folder.write("model.safetensors.index.json", index_of(second, first));
  EXPECT_TRUE(
      caught([&] { load_weights(files_of(folder), tiny_config()); }).says("as model.safetensors.index.json says"));
  folder.write("2.safetensors", safetensors_of(list));
  folder.write("model.safetensors.index.json", index_of(first, second));
  EXPECT_TRUE(caught([&] { load_weights(files_of(folder), tiny_config()); }).thrown);
}

// A whole tiny model cut at every byte: always one error that names the file.
TEST(LoadWeights, EveryTruncationOfAModelNamesTheFile) {
  const TemporaryFolder folder;
  for (const auto& [name, content] :
       {std::pair<std::string, std::string>{"model.safetensors", safetensors_of(tiny_tensors())},
        {"pytorch_model.bin", torch_zip_of(tiny_tensors())}}) {
    folder.write(name, content);
    const ModelFiles files = files_of(folder);
    ASSERT_FALSE(caught([&] { load_weights(files, tiny_config()); }).thrown);
    for (size_t size = content.size(); size-- > 0;) {
      ASSERT_EQ(truncate(files.path(name).c_str(), static_cast<off_t>(size)), 0);
      const Caught error = caught([&] { load_weights(files, tiny_config()); });
      ASSERT_TRUE(error.thrown) << name << " " << size;
      ASSERT_TRUE(error.message.starts_with(files.path(name) + ": ")) << error.message;
    }
    std::filesystem::remove(files.path(name));
  }
}

}  // namespace
}  // namespace bgem3
