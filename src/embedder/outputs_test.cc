// The three outputs over a tiny model on disk: bits, shapes, options, refusals.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "embedder/test_embedder.h"
#include "kernels/ops.h"

namespace bgem3 {
namespace {

bool same_outputs(const Embedding& a, const Embedding& b) {
  return same_bits(a.dense, b.dense) && std::ranges::equal(a.sparse_ids, b.sparse_ids) &&
         same_bits(a.sparse_weights, b.sparse_weights) && same_bits(a.multi, b.multi);
}

TEST_P(EmbedderDtypeTest, AllOutputsHaveTheSameBitsAloneAndInAnyRequestPassThreadsAndIsa) {
  std::vector<std::string> texts = many_texts();
  const EmbedOptions options = {.outputs = kAll, .pooling = Pooling::cls};
  const Embedder reference = open({.dtype = GetParam(), .isa = "scalar", .threads = 1});
  std::vector<EmbedResult> alone;
  for (std::string& text : texts) alone.push_back(reference.embed(std::span(&text, 1), options));
  for (size_t i = 0; i < texts.size(); i++) {
    // Alone the last layer computes one row for the dense vector.
    ASSERT_TRUE(same_bits(alone[i][0].dense, reference.embed_one(texts[i], {.pooling = Pooling::cls}))) << i;
  }
  for (const std::string& isa : present_isas()) {
    for (const int threads : {1, 2, 4}) {
      for (const size_t pass_tokens : {1, 70, 100000}) {
        const Embedder embedder =
            open({.dtype = GetParam(), .isa = isa, .threads = threads, .pass_tokens = pass_tokens});
        const EmbedResult result = embedder.embed(texts, options);
        for (size_t i = 0; i < texts.size(); i++) {
          ASSERT_TRUE(same_outputs(result[i], alone[i][0])) << isa << " " << threads << " text " << i;
        }
      }
    }
  }
  std::reverse(texts.begin(), texts.end());
  const EmbedResult reversed = reference.embed(texts, options);
  for (size_t i = 0; i < texts.size(); i++) {
    ASSERT_TRUE(same_outputs(reversed[texts.size() - 1 - i], alone[i][0]));
  }
}

TEST_F(EmbedderTest, OnlyWhatIsAskedForIsThere) {
  const Embedder embedder = open();
  EXPECT_EQ(embedder.info().outputs, kAll);
  const std::vector<std::string> texts = {"a b", "", "c"};
  const EmbedResult all = embedder.embed(texts, {.outputs = kAll});
  for (const Outputs asked : {Outputs{.dense = true}, Outputs{.dense = false, .sparse = true},
                              Outputs{.dense = false, .multi = true}, Outputs{.sparse = true}}) {
    const EmbedResult result = embedder.embed(texts, {.outputs = asked});
    EXPECT_EQ(result.dense().size(), asked.dense ? 3 * 32u : 0u);
    EXPECT_EQ(result.multi_offsets().size(), asked.multi ? 4u : 0u);
    for (size_t i = 0; i < texts.size(); i++) {
      EXPECT_TRUE(asked.dense ? same_bits(result[i].dense, all[i].dense) : result[i].dense.empty());
      EXPECT_TRUE(asked.multi ? same_bits(result[i].multi, all[i].multi) : result[i].multi.empty());
      EXPECT_TRUE(asked.sparse ? same_bits(result[i].sparse_weights, all[i].sparse_weights)
                               : result[i].sparse_ids.empty() && result[i].sparse_weights.empty());
    }
  }
  EXPECT_EQ(embedder.embed(std::span<const std::string>(), {.outputs = kAll}).multi_offsets().size(), 1u);
}

TEST_F(EmbedderTest, MultiVectorsOfARequestStandEndToEnd) {
  const Embedder embedder = open();
  const std::vector<std::string> texts = {"a b c", "x \xff", "", "a b c"};
  const EmbedResult result = embedder.embed(texts, {.outputs = kAll});
  const std::vector<size_t> offsets = {0, 4, 4, 5, 9};  // tokens: 5, failed, 2, 5
  EXPECT_TRUE(std::ranges::equal(result.multi_offsets(), offsets));
  EXPECT_EQ(result.multi().size(), 9 * 32u);
  for (size_t i = 0; i < texts.size(); i++) {
    EXPECT_EQ(result[i].multi.size(), (offsets[i + 1] - offsets[i]) * 32);
    if (i == 1) continue;
    EXPECT_EQ(result[i].multi.data(), result.multi().data() + offsets[i] * 32);
  }
  EXPECT_EQ(result[1].error, ErrorCode::invalid_input);
  EXPECT_TRUE(result[1].sparse_ids.empty());
  EXPECT_TRUE(same_outputs(result[0], result[3]));  // computed once
  EXPECT_NE(result[0].sparse_ids.data(), result[3].sparse_ids.data());
}

TEST_F(EmbedderTest, MultiVectorsAreCutThenScaled) {
  const Embedder embedder = open();
  const std::vector<std::string> texts = {"a b c"};
  const EmbedResult raw = embedder.embed(texts, {.outputs = kAll, .normalize = false});
  const EmbedResult unit = embedder.embed(texts, {.outputs = kAll}),
                    cut = embedder.embed(texts, {.outputs = kAll, .truncate_dim = 5});
  ASSERT_EQ(cut.multi().size(), 4 * 5u);
  for (size_t row = 0; row < 4; row++) {
    double length = 0, short_length = 0;
    for (size_t j = 0; j < 32; j++) {
      const double square = std::pow(double{raw.multi()[row * 32 + j]}, 2);
      length += square;
      if (j < 5) short_length += square;
    }
    for (size_t j = 0; j < 32; j++) {
      EXPECT_NEAR(unit.multi()[row * 32 + j], raw.multi()[row * 32 + j] / std::sqrt(length), 1e-6);
    }
    for (size_t j = 0; j < 5; j++) {
      EXPECT_NEAR(cut.multi()[row * 5 + j], raw.multi()[row * 32 + j] / std::sqrt(short_length), 1e-6);
    }
  }
  EXPECT_TRUE(std::ranges::equal(cut[0].sparse_weights, unit[0].sparse_weights));
}

TEST_F(EmbedderTest, OutputsThatAModelDoesNotHaveAreRefused) {
  const TestModel plain("plain", false);
  const Embedder embedder = Embedder::open({.model = plain.folder(), .packed_cache = false});
  EXPECT_EQ(embedder.info().outputs, Outputs());
  EXPECT_EQ(describe_model({.model = plain.folder(), .packed_cache = false}).outputs, Outputs());
  const std::vector<std::string> texts = {"a"};
  const auto error = [&](const Outputs& outputs) {
    return message_of<InvalidInputError>([&] { embedder.embed(texts, {.outputs = outputs}); });
  };
  EXPECT_NE(error({.sparse = true}).find("sparse_linear.pt"), std::string::npos);
  EXPECT_NE(error({.multi = true}).find("colbert_linear.pt"), std::string::npos);
  EXPECT_NE(error({.dense = false}).find("none"), std::string::npos);
  EXPECT_EQ(embedder.embed(texts).texts(), 1u);
}

TEST_F(EmbedderTest, ACancelledRequestOfAllOutputsHasNoSparseOrMulti) {
  const Embedder embedder = open({.pass_tokens = 1});
  const std::vector<std::string> texts = many_texts(3000);
  std::stop_source stop;
  EmbedOptions options = {.outputs = kAll};
  options.stop = stop.get_token();
  options.on_progress = [&](size_t, size_t) { stop.request_stop(); };
  const EmbedResult result = embedder.embed(texts, options);
  size_t computed = 0, cancelled = 0;
  for (const Embedding& embedding : result) {
    computed += !embedding.error;
    cancelled += embedding.error == ErrorCode::cancelled;
    EXPECT_EQ(embedding.multi.empty(), embedding.error.has_value());
    EXPECT_TRUE(!embedding.error || embedding.sparse_ids.empty());
  }
  EXPECT_GT(computed, 0u);
  EXPECT_EQ(computed + cancelled, texts.size());
  for (const float value : result.multi()) ASSERT_TRUE(std::isnan(value) || std::fabs(value) <= 1.001f);
}

}  // namespace
}  // namespace bgem3
