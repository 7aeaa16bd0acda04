// The forward pass against a plain float64 one, and its promise: a text's bits depend on nothing but the text.
#include "encoder/encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "encoder/random_model.h"

namespace bgem3 {
namespace {

using Rows = std::vector<std::vector<double>>;

double at(const Tensor& tensor, size_t index) {
  float value;
  std::memcpy(&value, tensor.bytes.data() + index * sizeof value, sizeof value);
  return value;
}

// The encoder as the papers write it, in float64, one text, every step a loop.
class PlainEncoder {
 public:
  explicit PlainEncoder(const RandomModel& model) : config_(model.config()), weights_(model.weights()) {}

  Rows forward(const std::vector<uint32_t>& ids) const {
    const size_t hidden = config_.hidden;
    Rows x(ids.size(), std::vector<double>(hidden));
    size_t real_tokens = 0;
    for (size_t i = 0; i < ids.size(); i++) {
      const bool padding = ids[i] == config_.pad_id;
      const size_t position = config_.model_type == "bert" ? i
                              : padding                    ? config_.pad_id
                                                           : config_.pad_id + ++real_tokens;
      for (size_t j = 0; j < hidden; j++) {
        x[i][j] = at(weights_.word_embeddings, ids[i] * hidden + j) + at(weights_.token_type_embeddings, j) +
                  at(weights_.position_embeddings, position * hidden + j);
      }
    }
    norm(x, weights_.embedding_norm_weight, weights_.embedding_norm_bias);
    for (const LayerWeights& layer : weights_.layers) {
      const Rows context =
          attention(linear(x, layer.query_weight, layer.query_bias), linear(x, layer.key_weight, layer.key_bias),
                    linear(x, layer.value_weight, layer.value_bias));
      add(x, linear(context, layer.attention_output_weight, layer.attention_output_bias));
      norm(x, layer.attention_norm_weight, layer.attention_norm_bias);
      Rows inner = linear(x, layer.intermediate_weight, layer.intermediate_bias);
      for (auto& row : inner) {
        for (double& value : row) value = 0.5 * value * (1 + std::erf(value / std::sqrt(2.0)));
      }
      add(x, linear(inner, layer.output_weight, layer.output_bias));
      norm(x, layer.output_norm_weight, layer.output_norm_bias);
    }
    return x;
  }

  Rows linear(const Rows& x, const Tensor& weight, const Tensor& bias) const {
    Rows y(x.size(), std::vector<double>(weight.shape[0]));
    for (size_t i = 0; i < x.size(); i++) {
      for (size_t j = 0; j < y[i].size(); j++) {
        y[i][j] = at(bias, j);
        for (size_t k = 0; k < x[i].size(); k++) y[i][j] += x[i][k] * at(weight, j * x[i].size() + k);
      }
    }
    return y;
  }

 private:
  Rows attention(const Rows& query, const Rows& key, const Rows& value) const {
    const size_t size = config_.head_size();
    Rows out(query.size(), std::vector<double>(config_.hidden, 0));
    for (size_t head = 0; head < config_.heads; head++) {
      for (size_t i = 0; i < query.size(); i++) {
        std::vector<double> weights(key.size());
        double total = 0;
        for (size_t k = 0; k < key.size(); k++) {
          double score = 0;
          for (size_t j = head * size; j < (head + 1) * size; j++) score += query[i][j] * key[k][j];
          total += weights[k] = std::exp(score / std::sqrt(static_cast<double>(size)));
        }
        for (size_t k = 0; k < key.size(); k++) {
          for (size_t j = head * size; j < (head + 1) * size; j++) out[i][j] += weights[k] / total * value[k][j];
        }
      }
    }
    return out;
  }
  static void add(Rows& x, const Rows& y) {
    for (size_t i = 0; i < x.size(); i++) {
      for (size_t j = 0; j < x[i].size(); j++) x[i][j] += y[i][j];
    }
  }
  void norm(Rows& x, const Tensor& gain, const Tensor& bias) const {
    for (auto& row : x) {
      double mean = 0, variance = 0;
      for (const double value : row) mean += value / static_cast<double>(row.size());
      for (const double value : row) variance += (value - mean) * (value - mean) / static_cast<double>(row.size());
      for (size_t j = 0; j < row.size(); j++) {
        row[j] = (row[j] - mean) / std::sqrt(variance + config_.layer_norm_eps) * at(gain, j) + at(bias, j);
      }
    }
  }

  ModelConfig config_;
  Weights weights_;
};

std::vector<uint32_t> random_ids(size_t tokens, unsigned seed, uint32_t vocab = 50) {
  std::mt19937 generator(seed);
  std::vector<uint32_t> ids(tokens);
  for (uint32_t& id : ids) id = static_cast<uint32_t>(generator() % vocab);
  return ids;
}

// One pass over texts with a fresh pool and workspace; answers each text's rows, end to end.
std::vector<std::vector<float>> run(const RandomModel& model, const std::vector<std::vector<uint32_t>>& texts,
                                    const std::string& isa = "auto", int threads = 1,
                                    Precision precision = Precision::f32) {
  Team alone;
  const Encoder encoder(pack_model(model.config(), model.weights(), precision, alone), ops_for(isa));
  Batch batch;
  for (const auto& text : texts) batch.add(text);
  Workspace workspace(model.config(), precision, batch.tokens(), batch.longest(), threads);
  View<const float> hidden;
  ThreadPool pool(threads);
  pool.run(JobKind::all, [&](Team& team) { hidden = encoder.forward(batch, workspace, team); });
  std::vector<std::vector<float>> rows;
  for (size_t text = 0; text < batch.texts(); text++) {
    auto& values = rows.emplace_back();
    for (size_t i = batch.starts[text]; i < batch.starts[text + 1]; i++) {
      values.insert(values.end(), hidden.row(i), hidden.row(i) + hidden.columns);
    }
  }
  return rows;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Encoder, EqualsThePlainEncoder) {
  for (const ModelConfig& config :
       {tiny_config("xlm-roberta", 48, 4, 80), tiny_config("bert", 48, 3, 96), tiny_config("bert", 20, 1, 7),
        tiny_config("xlm-roberta", 84, 12, 131), tiny_config("xlm-roberta", 320, 5, 640, 1)}) {
    const RandomModel model(config, static_cast<unsigned>(config.hidden));
    for (const size_t tokens : {1, 2, 13, 33}) {
      const std::vector<uint32_t> ids = random_ids(tokens, static_cast<unsigned>(tokens));
      const std::vector<float> found = run(model, {ids})[0];
      const Rows expected = PlainEncoder(model).forward(ids);
      for (size_t i = 0; i < tokens; i++) {
        for (size_t j = 0; j < config.hidden; j++) {
          // Hidden states are of size 1 after a norm; float32 loses about ten roundings of that a layer.
          ASSERT_NEAR(found[i * config.hidden + j], expected[i][j], 1e-5) << config.model_type << " " << config.hidden;
        }
      }
    }
  }
}

TEST(Encoder, HeadsEqualThePlainOnes) {
  for (const ModelConfig& config : {tiny_config("xlm-roberta", 48, 4, 80), tiny_config("bert", 99, 3, 131)}) {
    const RandomModel model(config);
    const std::vector<uint32_t> ids = random_ids(45, 1);
    Team team;
    const Encoder encoder(pack_model(config, model.weights(), Precision::f32, team), ops_for("auto"));
    Batch batch;
    batch.add(ids);
    Workspace workspace(config, Precision::f32, 45, 45, 1);
    encoder.forward(batch, workspace, team);
    std::vector<float> weights(45);
    encoder.token_weights(batch, workspace, team, weights);
    const size_t columns = 35;  // into the second panel
    const View<const float> vectors = encoder.token_vectors(batch, workspace, team, columns);
    ASSERT_EQ(vectors.rows, 45u);
    ASSERT_EQ(vectors.columns, columns);
    const PlainEncoder plain(model);
    const Rows hidden = plain.forward(ids);
    const HeadWeights &sparse = model.weights().sparse_head, &multi = model.weights().multi_head;
    const Rows expected_weights = plain.linear(hidden, sparse.weight, sparse.bias),
               expected_vectors = plain.linear(hidden, multi.weight, multi.bias);
    for (size_t i = 0; i < 45; i++) {
      ASSERT_NEAR(weights[i], expected_weights[i][0], 1e-5);
      for (size_t j = 0; j < columns; j++) ASSERT_NEAR(vectors.row(i)[j], expected_vectors[i][j], 1e-5);
    }
  }
}

TEST(Encoder, PaddingInATextMovesPositionsAsTransformersDoes) {
  const RandomModel xlm_roberta(tiny_config("xlm-roberta", 16, 2, 32));
  const std::vector<uint32_t> ids = {5, 1, 6, 1, 1, 7};  // 1 is the padding id
  const Rows expected = PlainEncoder(xlm_roberta).forward(ids);
  const std::vector<float> found = run(xlm_roberta, {ids})[0];
  for (size_t i = 0; i < found.size(); i++) EXPECT_NEAR(found[i], expected[i / 16][i % 16], 1e-5);
}

class EncoderPrecision : public testing::TestWithParam<Precision> {};
INSTANTIATE_TEST_SUITE_P(Each, EncoderPrecision, testing::Values(Precision::f32, Precision::bf16, Precision::int8),
                         [](const auto& test) { return to_string(test.param); });

TEST_P(EncoderPrecision, SameBitsAloneAndInAnyBatchOrderThreadsAndIsa) {
  const RandomModel model(tiny_config("xlm-roberta", 80, 5, 150));
  std::vector<std::vector<uint32_t>> texts;
  // Lengths around the edges of every tile: 12 and 6 rows, 16 lanes, 32 columns, 48 and 256 queries, 96 rows, 256 keys.
  for (const size_t tokens :
       {1, 2, 5, 6, 7, 11, 12, 13, 15, 16, 17, 31, 32, 33, 47, 48, 49, 95, 96, 97, 255, 256, 257, 300, 520}) {
    texts.push_back(random_ids(tokens, static_cast<unsigned>(tokens)));
  }
  std::vector<std::vector<float>> alone;
  for (const auto& text : texts) alone.push_back(run(model, {text}, "scalar", 1, GetParam())[0]);
  for (const std::string& isa : present_isas()) {
    for (const int threads : {1, 3}) {
      auto shuffled = texts;
      auto expected = alone;
      for (int order = 0; order < 2; order++) {
        const auto found = run(model, shuffled, isa, threads, GetParam());
        for (size_t i = 0; i < shuffled.size(); i++) {
          EXPECT_TRUE(same_bits(found[i], expected[i]))
              << shuffled[i].size() << " tokens, " << isa << ", " << threads << " threads";
        }
        std::reverse(shuffled.begin(), shuffled.end());
        std::reverse(expected.begin(), expected.end());
      }
    }
  }
}

// Sizes that fill no panel, pair or four: 99 = 3 * 33.
TEST_P(EncoderPrecision, TheFirstRowsAloneHaveTheSameBits) {
  for (const ModelConfig& config : {tiny_config("xlm-roberta", 80, 5, 150), tiny_config("bert", 99, 3, 131)}) {
    const RandomModel model(config);
    Team team;
    const Encoder encoder(pack_model(model.config(), model.weights(), GetParam(), team), ops_for("auto"));
    Batch batch;
    for (const size_t tokens : {1, 40, 7, 1, 300}) batch.add(random_ids(tokens, static_cast<unsigned>(tokens)));
    Workspace workspace(config, GetParam(), batch.tokens(), batch.longest(), 1),
        other = Workspace(config, GetParam(), batch.tokens(), batch.longest(), 1);
    const View<const float> all = encoder.forward(batch, workspace, team);
    const View<const float> first = encoder.forward(batch, other, team, TokenRows::first);
    ASSERT_EQ(all.rows, batch.tokens());
    ASSERT_EQ(first.rows, batch.texts());
    for (size_t text = 0; text < batch.texts(); text++) {
      EXPECT_EQ(std::memcmp(first.row(text), all.row(batch.starts[text]), config.hidden * sizeof(float)), 0) << text;
    }
  }
}

// How far less precision leads from float64, as the cosine of whole texts' vectors.
TEST_P(EncoderPrecision, IsCloseToThePlainEncoder) {
  const double least = GetParam() == Precision::f32 ? 1 - 1e-11 : GetParam() == Precision::bf16 ? 0.9995 : 0.997;
  for (const ModelConfig& config : {tiny_config("xlm-roberta", 84, 12, 131), tiny_config("bert", 99, 3, 200)}) {
    const RandomModel model(config);
    for (const size_t tokens : {1, 5, 33}) {
      const std::vector<uint32_t> ids = random_ids(tokens, static_cast<unsigned>(tokens));
      const std::vector<float> found = run(model, {ids}, "auto", 1, GetParam())[0];
      const Rows expected = PlainEncoder(model).forward(ids);
      double product = 0, found_square = 0, expected_square = 0;
      for (size_t i = 0; i < found.size(); i++) {
        const double value = expected[i / config.hidden][i % config.hidden];
        product += found[i] * value, found_square += double{found[i]} * found[i], expected_square += value * value;
      }
      EXPECT_GT(product / std::sqrt(found_square * expected_square), least) << config.hidden << ", " << tokens;
    }
  }
}

TEST_P(EncoderPrecision, WhatIsNotFiniteStaysWithItsText) {
  const RandomModel model(tiny_config("bert", 48, 3, 96));
  std::vector<float> table(50 * 48);
  for (size_t i = 0; i < table.size(); i++) table[i] = static_cast<float>(i % 13) - 6;
  table[7 * 48 + 5] = 3e38f;  // token 7: the sum of squares of its norm overflows
  Team team;
  PackedModel packed = pack_model(model.config(), model.weights(), GetParam(), team);
  packed.word_embeddings = table_of(table, 48);
  packed.embedding_norm.gain[5] = 3e38f;
  const Encoder encoder(std::move(packed), ops_for("auto"));
  Batch batch;
  batch.add(std::vector<uint32_t>{3, 7, 4});
  batch.add(std::vector<uint32_t>{3, 4});
  Workspace workspace(model.config(), GetParam(), 5, 3, 1);
  const View<const float> hidden = encoder.forward(batch, workspace, team);
  for (size_t row = 0; row < 3; row++) EXPECT_FALSE(std::isfinite(hidden.row(row)[0])) << row;
}

TEST_P(EncoderPrecision, AWorkspaceTakesTheBytesItSays) {
  const ModelConfig config = tiny_config("xlm-roberta", 80, 5, 150);
  const size_t small = Workspace::bytes(config, GetParam(), 10, 10, 1),
               large = Workspace::bytes(config, GetParam(), 2000, 500, 3);
  EXPECT_GT(large, small);
  EXPECT_GT(small, 10 * 80 * 2 * sizeof(float) + kProductScratch * sizeof(float));
}

TEST(Encoder, AWorkspaceIsUsedAgainWithoutTraces) {
  const RandomModel model(tiny_config("bert", 32, 2, 64));
  Team team;
  const Encoder encoder(pack_model(model.config(), model.weights(), Precision::f32, team), ops_for("auto"));
  Workspace workspace(model.config(), Precision::f32, 100, 60, 2);
  Batch small, large;
  small.add(random_ids(9, 1));
  large.add(random_ids(60, 2));
  large.add(random_ids(40, 3));
  const auto copy = [&](const Batch& batch) {
    const View<const float> hidden = encoder.forward(batch, workspace, team);
    std::vector<float> values;
    for (size_t i = 0; i < hidden.rows; i++) values.insert(values.end(), hidden.row(i), hidden.row(i) + hidden.columns);
    return values;
  };
  const std::vector<float> first = copy(small);
  copy(large);
  EXPECT_TRUE(same_bits(first, copy(small)));
}

TEST(Encoder, ChecksWhatOnlyAProgrammerCanGetWrong) {
  const RandomModel model(tiny_config("bert", 32, 2, 64));
  Team team;
  const Encoder encoder(pack_model(model.config(), model.weights(), Precision::f32, team), ops_for("auto"));
  Workspace workspace(model.config(), Precision::f32, 10, 10, 1);
  Batch too_long, unknown_id;
  too_long.add(random_ids(11, 1));
  unknown_id.add(std::vector<uint32_t>{50});
  EXPECT_THROW(encoder.forward(too_long, workspace, team), EmbeddingGenerationError);
  EXPECT_THROW(encoder.forward(unknown_id, workspace, team), EmbeddingGenerationError);
}

TEST(PackModel, RefusesWeightsThatAreNotFinite) {
  const RandomModel model(tiny_config("bert", 32, 2, 64));
  Weights weights = model.weights();
  std::vector<float> values(64 * 32, 1);
  values[77] = INFINITY;
  weights.layers[1].intermediate_weight.bytes = std::as_bytes(std::span(values));
  weights.layers[1].intermediate_weight.name = "encoder.layer.1.intermediate.dense.weight";
  Team team;
  try {
    pack_model(model.config(), std::move(weights), Precision::f32, team);
    FAIL();
  } catch (const ModelLoadingError& error) {
    EXPECT_NE(std::string(error.what()).find("encoder.layer.1.intermediate.dense.weight"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("77"), std::string::npos);
  }
}

}  // namespace
}  // namespace bgem3
