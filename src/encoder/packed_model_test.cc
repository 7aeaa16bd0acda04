#include "encoder/packed_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "encoder/random_model.h"

namespace bgem3 {
namespace {

constexpr const char* kKey = "test";

// A packed file in a folder of its own, which is removed at the end.
class PackedModelTest : public testing::Test {
 protected:
  PackedModelTest() { std::filesystem::create_directories(folder_); }
  ~PackedModelTest() override { std::filesystem::remove_all(folder_); }

  void pack(const Weights& weights, Precision precision) {
    pool_.run(JobKind::all, [&](Team& team) { pack(weights, precision, team); });
  }
  void pack(const Weights& weights, Precision precision, Team& team) {
    PackedFileWriter file(path_, kKey);
    pack_model(weights, precision, team, file);
    file.publish();
  }
  std::shared_ptr<const Sections> sections() const {
    return std::make_shared<const Sections>(open_packed_file(path_, kKey));
  }
  // What opening the file as another model says; empty if it opens.
  std::string refusal(const ModelConfig& config, Precision precision) const {
    try {
      open_packed_model(config, precision, sections());
    } catch (const ModelLoadingError& error) {
      return error.code() == ErrorCode::corrupt ? error.what() : "another code";
    }
    return "";
  }

  const std::string folder_ = fmt::format("{}bgem3_packed_model_{}", testing::TempDir(), getpid());
  const std::string path_ = folder_ + "/packed";
  ThreadPool pool_{2};
  Team alone_;
};

std::vector<float> row(const EmbeddingTable& table, size_t index) {
  std::vector<float> out(table.columns());
  table.read_row(index, out);
  return out;
}

void expect_same(const PackedWeights& a, const PackedWeights& b) {
  ASSERT_TRUE(a.type == b.type && a.columns == b.columns && a.depth == b.depth);
  EXPECT_EQ(std::memcmp(a.bytes, b.bytes, packed_bytes(a.type, a.columns, a.depth)), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b.bytes) % 64, 0u);
}

// Widths that are no multiple of a panel, so that query, key and value share panels.
TEST_F(PackedModelTest, AFileGivesWhatMemoryGives) {
  const RandomModel random(tiny_config("xlm-roberta", 36, 3, 70));
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8}) {
    const PackedModel memory = pack_model(random.config(), random.weights(), precision, alone_);
    pack(random.weights(), precision);
    const PackedModel file = open_packed_model(random.config(), precision, sections());
    EXPECT_EQ(file.precision, precision);
    EXPECT_EQ(file.token_type_row, memory.token_type_row);
    EXPECT_EQ(file.embedding_norm.gain, memory.embedding_norm.gain);
    EXPECT_EQ(file.outputs(), (Outputs{.sparse = true, .multi = true}));
    EXPECT_EQ(file.sparse_head.size(), 37u);
    EXPECT_EQ(file.sparse_head, memory.sparse_head);
    expect_same(memory.multi_head, file.multi_head);
    ASSERT_EQ(file.layers.size(), memory.layers.size());
    for (size_t i = 0; i < file.layers.size(); i++) {
      expect_same(memory.layers[i].query_key, file.layers[i].query_key);
      expect_same(memory.layers[i].value, file.layers[i].value);
      expect_same(memory.layers[i].attention_output, file.layers[i].attention_output);
      expect_same(memory.layers[i].intermediate, file.layers[i].intermediate);
      expect_same(memory.layers[i].output, file.layers[i].output);
      EXPECT_EQ(file.layers[i].attention_norm.bias, memory.layers[i].attention_norm.bias);
      EXPECT_EQ(file.layers[i].output_norm.gain, memory.layers[i].output_norm.gain);
    }
    for (const size_t index : {0, 1, 49}) {
      EXPECT_EQ(row(file.word_embeddings, index), row(memory.word_embeddings, index));
      EXPECT_EQ(row(file.position_embeddings, index), row(memory.position_embeddings, index));
    }
  }
}

TEST_F(PackedModelTest, NarrowModelsKeepTheirValuesInBf16) {
  const auto type = [&](size_t hidden) {
    const RandomModel random(tiny_config("bert", hidden, 8, 64));
    const PackedModel model = pack_model(random.config(), random.weights(), Precision::int8, alone_);
    EXPECT_EQ(model.layers[0].query_key.type, WeightType::s8);
    return model.layers[0].value.type;
  };
  EXPECT_EQ(type(504), WeightType::bf16);
  EXPECT_EQ(type(512), WeightType::s8);
}

TEST_F(PackedModelTest, OneThreadWritesTheSameFileAsTwo) {
  const RandomModel random(tiny_config("bert", 36, 3, 70));
  pack(random.weights(), Precision::f32);
  const std::string with_two = read_file(path_, 1 << 20);
  pack(random.weights(), Precision::f32, alone_);
  EXPECT_EQ(read_file(path_, 1 << 20), with_two);
}

TEST_F(PackedModelTest, ATableIsHalvedWhereThatIsExact) {
  const RandomModel random(tiny_config("bert", 32, 2, 64));
  std::vector<float> halves(50 * 32);
  for (size_t i = 0; i < halves.size(); i++) halves[i] = std::ldexp(static_cast<float>(i), -14);
  halves[3] = 0x1p-24f;
  halves[4] = -65504;
  Weights weights = random.weights();
  weights.word_embeddings.bytes = std::as_bytes(std::span(halves));
  pack(weights, Precision::f32);
  const auto packed = sections();
  EXPECT_EQ(packed->find("word_embeddings")->type, static_cast<uint32_t>(DType::f16));
  EXPECT_EQ(packed->find("position_embeddings")->type, static_cast<uint32_t>(DType::f32));
  const PackedModel model = open_packed_model(random.config(), Precision::f32, packed);
  for (size_t i = 0; i < 50; i++) {
    EXPECT_EQ(row(model.word_embeddings, i), std::vector<float>(halves.begin() + i * 32, halves.begin() + i * 32 + 32));
  }
  halves[77] = std::nextafter(1.0f, 2.0f);
  pack(weights, Precision::f32);
  EXPECT_EQ(sections()->find("word_embeddings")->type, static_cast<uint32_t>(DType::f32));
}

TEST_F(PackedModelTest, HeadsThatAModelDoesNotHaveAreNotThere) {
  const RandomModel random(tiny_config("bert", 32, 2, 64));
  Weights weights = random.weights();
  weights.multi_head = {};
  pack(weights, Precision::f32);
  EXPECT_EQ(open_packed_model(random.config(), Precision::f32, sections()).outputs(), Outputs{.sparse = true});
  weights.sparse_head = {};
  EXPECT_EQ(pack_model(random.config(), weights, Precision::f32, alone_).outputs(), Outputs());
}

TEST_F(PackedModelTest, AFileThatDoesNotFitTheModelIsRefused) {
  const RandomModel random(tiny_config("bert", 32, 2, 64));
  const ModelConfig& config = random.config();
  pack(random.weights(), Precision::f32);
  EXPECT_EQ(refusal(config, Precision::f32), "");
  EXPECT_NE(refusal(config, Precision::int8), "");
  for (const auto member : {&ModelConfig::hidden, &ModelConfig::layers, &ModelConfig::ffn, &ModelConfig::vocab,
                            &ModelConfig::position_rows}) {
    ModelConfig other = config;
    other.*member *= 2;
    EXPECT_NE(refusal(other, Precision::f32), "");
  }
}

TEST_F(PackedModelTest, ValuesThatAreNotFiniteAreNeverPacked) {
  const RandomModel random(tiny_config("bert", 32, 2, 64));
  std::vector<float> values(50 * 32, 1);
  values[77] = NAN;
  Weights weights = random.weights();
  weights.word_embeddings.bytes = std::as_bytes(std::span(values));
  EXPECT_THROW(pack(weights, Precision::f32), ModelLoadingError);
  EXPECT_THROW(pack_model(random.config(), weights, Precision::f32, alone_), ModelLoadingError);
  EXPECT_FALSE(is_file(path_) || is_file(path_ + ".part"));
}

TEST_F(PackedModelTest, ATableCutShortWhileInUseIsAnErrorThatNamesTheFile) {
  const RandomModel random(tiny_config("bert", 32, 2, 64));
  pack(random.weights(), Precision::f32);
  const PackedModel model = open_packed_model(random.config(), Precision::f32, sections());
  std::filesystem::resize_file(path_, 1000);
  try {
    row(model.word_embeddings, 49);
    FAIL();
  } catch (const InferenceError& error) {
    EXPECT_EQ(error.code(), ErrorCode::io);
    EXPECT_NE(std::string(error.what()).find(path_), std::string::npos);
  }
}

}  // namespace
}  // namespace bgem3
