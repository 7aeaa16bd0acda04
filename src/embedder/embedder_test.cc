// The engine over a tiny model on disk: results, errors, options, callbacks, threads. Its three outputs:
// outputs_test.cc.
#include "bgem3/embedder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <thread>

#include "bgem3/chunker.h"
#include "embedder/test_embedder.h"
#include "kernels/ops.h"

namespace bgem3 {
namespace {

INSTANTIATE_TEST_SUITE_P(Each, EmbedderDtypeTest, testing::Values("f32", "bf16", "int8"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(EmbedderDtypeTest, SameBitsAloneAndInAnyRequestPassThreadsAndIsa) {
  std::vector<std::string> texts = many_texts();
  const Embedder reference = open({.dtype = GetParam(), .isa = "scalar", .threads = 1});
  std::vector<std::vector<float>> alone;
  for (const std::string& text : texts) alone.push_back(reference.embed_one(text));
  for (const std::string& isa : present_isas()) {
    for (const int threads : {1, 2, 4}) {
      for (const size_t pass_tokens : {1, 70, 100000}) {
        const Embedder embedder =
            open({.dtype = GetParam(), .isa = isa, .threads = threads, .pass_tokens = pass_tokens});
        const EmbedResult result = embedder.embed(texts);
        ASSERT_EQ(result.texts(), texts.size());
        for (size_t i = 0; i < texts.size(); i++)
          ASSERT_TRUE(same_bits(result[i].dense, alone[i])) << isa << " " << threads << " text " << i;
      }
    }
  }
  std::reverse(texts.begin(), texts.end());
  const EmbedResult reversed = reference.embed(texts);
  for (size_t i = 0; i < texts.size(); i++) ASSERT_TRUE(same_bits(reversed[texts.size() - 1 - i].dense, alone[i]));
}

TEST_F(EmbedderTest, ManyThreadsMayCall) {
  const Embedder embedder = open({.threads = 2});
  const std::vector<std::string> texts = many_texts();
  const EmbedResult expected = embedder.embed(texts);
  std::vector<std::thread> threads;
  std::atomic<int> equal = 0;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 5; repeat++) {
        equal += same_bits(embedder.embed(texts).dense(), expected.dense());
        const size_t text = static_cast<size_t>(5 * i + repeat);  // an urgent pass beside the others
        equal += same_bits(embedder.embed_one(texts[text]), expected[text].dense);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, 40);
}

TEST_F(EmbedderTest, AFailedTextHarmsNobody) {
  const Embedder embedder = open();
  const std::vector<std::string> good = {"a b", "c"}, mixed = {"a b", "x \xff y", "c"};
  const EmbedResult expected = embedder.embed(good), result = embedder.embed(mixed);
  EXPECT_TRUE(same_bits(result[0].dense, expected[0].dense));
  EXPECT_TRUE(same_bits(result[2].dense, expected[1].dense));
  EXPECT_EQ(result[1].error, ErrorCode::invalid_input);
  EXPECT_NE(result[1].error_message.find("2"), std::string::npos) << result[1].error_message;  // the byte
  for (const float value : result[1].dense) EXPECT_TRUE(std::isnan(value));
  EXPECT_THROW(embedder.embed_one("\xff"), InvalidInputError);
}

TEST_F(EmbedderTest, ReplacesInvalidUtf8WhenAsked) {
  const Embedder embedder = open();
  const std::vector<std::string> texts = {"a \xff\xfe b"};
  const EmbedResult result = embedder.embed(texts, {.invalid_utf8 = InvalidUtf8::replace});
  EXPECT_FALSE(result[0].error);
  EXPECT_EQ(result[0].replaced_utf8, 2u);
}

TEST_F(EmbedderTest, TruncationIsReported) {
  const Embedder embedder = open();
  std::string letters;
  for (int i = 0; i < 62; i++) letters += "b ";
  const std::vector<std::string> texts = {letters, letters + "c", "a b c"};
  const EmbedResult result = embedder.embed(texts);
  EXPECT_EQ(result[0].tokens, 64u);
  EXPECT_FALSE(result[0].truncated);
  EXPECT_EQ(result[1].tokens, 64u);
  EXPECT_TRUE(result[1].truncated);
  EXPECT_TRUE(same_bits(result[0].dense, result[1].dense));
  const EmbedResult shorter = embedder.embed(texts, {.max_tokens = 4});
  EXPECT_EQ(shorter[2].tokens, 4u);
  EXPECT_TRUE(shorter[2].truncated);
  EXPECT_TRUE(same_bits(shorter[2].dense, embedder.embed_one("a b")));
}

TEST_F(EmbedderTest, EmptyTextsAreTheTemplateAlone) {
  const Embedder embedder = open();
  const std::vector<std::string> texts = {"", " \t\n"};
  const EmbedResult result = embedder.embed(texts);
  EXPECT_EQ(result[0].tokens, 2u);
  EXPECT_TRUE(same_bits(result[0].dense, result[1].dense));
  EXPECT_EQ(embedder.embed(std::span<const std::string>()).texts(), 0u);
}

TEST_F(EmbedderTest, OptionsChangeTheVector) {
  const Embedder embedder = open();
  const auto length = [](const std::vector<float>& vector) {
    double sum = 0;
    for (const float value : vector) sum += double{value} * value;
    return std::sqrt(sum);
  };
  const std::vector<float> unit = embedder.embed_one("a b c"), raw = embedder.embed_one("a b c", {.normalize = false});
  EXPECT_NEAR(length(unit), 1, 1e-6);
  EXPECT_GT(std::fabs(length(raw) - 1), 1e-3);
  for (size_t i = 0; i < unit.size(); i++) EXPECT_NEAR(unit[i], raw[i] / length(raw), 1e-6);
  const std::vector<float> cut = embedder.embed_one("a b c", {.truncate_dim = 5});
  EXPECT_EQ(cut.size(), 5u);
  EXPECT_NEAR(length(cut), 1, 1e-6);
  EXPECT_FALSE(same_bits(embedder.embed_one("a b c", {.pooling = Pooling::cls}), unit));
  EXPECT_TRUE(same_bits(embedder.embed_one("a b c", {.prompt = "q "}), embedder.embed_one("q a b c")));
  EXPECT_EQ(embedder.info().prompts.at("query"), "q ");
}

TEST_F(EmbedderTest, RefusesOptionsThatFitNoText) {
  const Embedder embedder = open();
  const std::vector<std::string> texts = {"a"};
  const auto error = [&](const EmbedOptions& options) {
    return message_of<InvalidInputError>([&] { embedder.embed(texts, options); });
  };
  EXPECT_NE(error({.max_tokens = 65}).find("64"), std::string::npos);
  EXPECT_NE(error({.max_tokens = 2}).find("2"), std::string::npos);
  EXPECT_NE(error({.truncate_dim = 33}).find("32"), std::string::npos);
  EXPECT_NE(message_of<InvalidInputError>([&] { open({.isa = "sse"}); }).find("scalar"), std::string::npos);
  EXPECT_NE(message_of<InvalidInputError>([&] { open({.threads = -1}); }).find("-1"), std::string::npos);
}

TEST_F(EmbedderTest, CallbacksSeeEveryTextOnce) {
  const Embedder embedder = open({.pass_tokens = 100});
  std::vector<std::string> texts = many_texts();
  texts[7] = "\xff";
  std::vector<int> seen(texts.size(), 0);
  size_t last_done = 0;
  EmbedOptions options;
  options.on_result = [&](size_t index, const Embedding& embedding) {
    seen[index]++;
    EXPECT_EQ(embedding.error.has_value(), index == 7);
    EXPECT_EQ(std::isnan(embedding.dense[0]), index == 7);
  };
  options.on_progress = [&](size_t done, size_t total) {
    EXPECT_EQ(total, texts.size());
    EXPECT_GT(done, last_done);
    last_done = done;
  };
  embedder.embed(texts, options);
  EXPECT_EQ(seen, std::vector<int>(texts.size(), 1));
  EXPECT_EQ(last_done, texts.size());
}

// More texts than may be in flight when the first pass ends.
TEST_F(EmbedderTest, Stops) {
  const Embedder embedder = open();
  const std::vector<std::string> texts = many_texts(10000);
  std::stop_source stop;
  EmbedOptions options;
  options.stop = stop.get_token();
  std::vector<int> seen(texts.size(), 0);
  options.on_result = [&](size_t index, const Embedding&) { seen[index]++; };
  options.on_progress = [&](size_t, size_t) { stop.request_stop(); };
  const EmbedResult result = embedder.embed(texts, options);
  size_t computed = 0, cancelled = 0;
  for (const Embedding& embedding : result) {
    computed += !embedding.error;
    cancelled += embedding.error == ErrorCode::cancelled;
  }
  EXPECT_GT(computed, 0u);
  EXPECT_GT(cancelled, 0u);
  EXPECT_EQ(computed + cancelled, texts.size());
  EXPECT_EQ(seen, std::vector<int>(texts.size(), 1));
  const EmbedResult stopped = embedder.embed(texts, options);  // before it began
  for (const Embedding& embedding : stopped) EXPECT_EQ(embedding.error, ErrorCode::cancelled);
}

TEST_F(EmbedderTest, ManyWindowsGiveTheSameBits) {
  const Embedder embedder = open();
  std::vector<std::string> texts = many_texts(6000);
  texts.insert(texts.end(), texts.begin(), texts.begin() + 1000);  // equal texts far apart
  std::vector<int> seen(texts.size(), 0);
  EmbedOptions options;
  options.on_result = [&](size_t index, const Embedding&) { seen[index]++; };
  const EmbedResult result = embedder.embed(texts, options);
  EXPECT_EQ(seen, std::vector<int>(texts.size(), 1));
  for (size_t i = 0; i < texts.size(); i += 97) {
    ASSERT_TRUE(same_bits(result[i].dense, embedder.embed_one(texts[i]))) << i;
  }
  for (size_t i = 0; i < 1000; i++) ASSERT_TRUE(same_bits(result[i].dense, result[6000 + i].dense)) << i;
}

// With passes of one text there is one event of progress a text that is computed.
TEST_F(EmbedderTest, EqualTextsAreComputedOnce) {
  const Embedder embedder = open({.pass_tokens = 1});
  std::vector<std::string> texts(300, "a b c");
  for (size_t i = 0; i < texts.size(); i += 3) texts[i] = "a  B   c";  // the same ids
  texts[7] = "\xff";
  size_t events = 0;
  std::vector<int> seen(texts.size(), 0);
  EmbedOptions options;
  options.on_progress = [&](size_t, size_t) { events++; };
  options.on_result = [&](size_t index, const Embedding&) { seen[index]++; };
  const EmbedResult result = embedder.embed(texts, options);
  EXPECT_EQ(events, 1u);
  EXPECT_EQ(seen, std::vector<int>(texts.size(), 1));
  const std::vector<float> expected = embedder.embed_one("a b c");
  for (size_t i = 0; i < texts.size(); i++) {
    if (i == 7) continue;
    EXPECT_TRUE(same_bits(result[i].dense, expected));
    EXPECT_EQ(result[i].tokens, 5u);
  }
  EXPECT_EQ(result[7].error, ErrorCode::invalid_input);
}

TEST_F(EmbedderTest, ACeilingTooLowIsRefusedWithBothNumbers) {
  const std::string message = message_of<ResourceLimitError>([&] { open({.max_memory_bytes = 1000000}); });
  EXPECT_NE(message.find("1000000"), std::string::npos) << message;
  EXPECT_NE(message.find("needs"), std::string::npos) << message;
}

TEST_F(EmbedderTest, ARequestTooLargeForTheCeilingIsRefusedBeforeItBegins) {
  const Embedder embedder = open({.threads = 1, .max_memory_bytes = size_t{2} << 30});
  const std::vector<std::string_view> texts(6'000'000, "a");
  const std::string message = message_of<ResourceLimitError>([&] { embedder.embed(texts); });
  EXPECT_NE(message.find("6000000"), std::string::npos) << message;
  EXPECT_EQ(embedder.embed(std::span(texts).first(10)).texts(), 10u);
}

TEST_F(EmbedderTest, MultiVectorsTooLargeForTheCeilingAreRefusedBeforeTheFirstPass) {
  const Embedder embedder = open({.threads = 1, .max_memory_bytes = size_t{2} << 30});
  const auto claim = embedder.reserve(size_t{1700} << 20, "a test");
  std::string text = "a";
  for (int i = 1; i < 62; i++) text += " a";
  const std::vector<std::string_view> texts(50'000, text);  // 64 tokens, 63 vectors of 128 bytes each
  size_t done = 0;
  EmbedOptions options = {.outputs = kAll};
  options.on_progress = [&](size_t now, size_t) { done = now; };
  const std::string message = message_of<ResourceLimitError>([&] { embedder.embed(texts, options); });
  EXPECT_NE(message.find("the outputs of 3200000 tokens needs 441600000 bytes"), std::string::npos) << message;
  EXPECT_EQ(done, 0u);
  EXPECT_EQ(embedder.embed(std::span(texts).first(10), options).multi_offsets().back(), 630u);
  EXPECT_EQ(embedder.embed(texts).texts(), 50'000u);
}

TEST_F(EmbedderTest, ReservedMemoryIsLessForRequests) {
  const Embedder embedder = open({.threads = 1, .max_memory_bytes = size_t{2} << 30});
  const std::vector<std::string_view> texts(1'000'000, "a");  // their results: 448 bytes each
  auto claim = embedder.reserve(size_t{1700} << 20, "a test");
  const std::string message = message_of<ResourceLimitError>([&] { embedder.embed(texts); });
  EXPECT_NE(message.find("of which 1782579200 are in use"), std::string::npos) << message;
  EXPECT_NE(message_of<ResourceLimitError>([&] { embedder.reserve(size_t{2} << 30, "a test"); }).find("a test needs"),
            std::string::npos);
  claim.reset();
  EXPECT_EQ(embedder.embed(texts).texts(), 1'000'000u);
  EXPECT_NO_THROW(open().reserve(size_t{1} << 60, "a test"));  // without a ceiling
}

TEST_F(EmbedderTest, InfoSaysWhereBf16IsEmulated) {
  const auto notices = [&](const char* dtype, const std::string& isa) {
    const Embedder embedder = open({.dtype = dtype, .isa = isa, .packed_cache = false});
    std::string all;
    for (const std::string& notice : embedder.info().notices) all += notice;
    return all;
  };
  EXPECT_NE(notices("bf16", "scalar").find("scalar has no instructions for bf16"), std::string::npos);
  EXPECT_NE(notices("int8", "scalar").find("attention"), std::string::npos);
  EXPECT_EQ(notices("f32", "scalar"), "");
  EXPECT_EQ(notices("bf16", "auto").empty(), ops_for("auto").has_bf16);
}

TEST_F(EmbedderTest, InfoSaysWhatWasDecided) {
  const ModelInfo info = open({.threads = 1000000, .hash_files = true}).info();
  EXPECT_LT(info.threads, 1000000);
  EXPECT_NE(info.threads_reason.find("1000000"), std::string::npos);
  EXPECT_EQ(info.dtype, "f32");
  EXPECT_EQ(info.isa, present_isas().back());
  EXPECT_EQ(info.weights_format, "safetensors");
  EXPECT_EQ(info.tokenizer, "wordpiece");
  EXPECT_EQ(info.config.hidden, 32u);
  for (const ModelFile& file : info.files) EXPECT_EQ(file.sha256.size(), 64u) << file.name;
  EXPECT_EQ(describe_model({.model = model_.folder()}).config.max_tokens, 64u);
  EXPECT_EQ(open_tokenizer(model_.folder()).vocab_size(), 32u);
}

TEST_F(EmbedderTest, OpensAChunkerThatCountsTheModelsTokens) {
  const Tokenizer tokenizer = open_tokenizer(model_.folder());
  const TextChunker chunker =
      open_chunker({.target_chunk_size = 6, .min_chunk_size = 1, .max_chunk_size = 8, .model_name = model_.folder()});
  const std::vector<DocumentChunk> chunks = chunker.chunk_text("one two three. four five six seven. eight nine ten");
  ASSERT_GT(chunks.size(), 1u);
  for (const auto& [chunk, _] : chunks) {
    EXPECT_EQ(chunk.metadata.token_count, tokenizer.encode(chunk.content).ids.size()) << chunk.content;
    EXPECT_LE(chunk.metadata.token_count, 8u) << chunk.content;
  }
  EXPECT_THROW(open_chunker({.model_name = "/nowhere"}), ModelLoadingError);
  EXPECT_FALSE(open_chunker({.unit = "characters", .model_name = "/nowhere"}).chunk_text("no model").empty());
}

TEST_F(EmbedderTest, RefusesModelsWhosePartsDisagree) {
  TestModel broken("broken");
  broken.write("config.json",
               R"({"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
      "intermediate_size": 48, "vocab_size": 30522, "max_position_embeddings": 64, "type_vocab_size": 2, "layer_norm_eps": 1e-5,
      "pad_token_id": 0, "hidden_act": "gelu"})");
  const std::string message =
      message_of<ModelLoadingError>([&] { Embedder::open({.model = broken.folder(), .packed_cache = false}); });
  EXPECT_NE(message.find("30522"), std::string::npos) << message;
  EXPECT_NE(message.find("32 tokens"), std::string::npos) << message;
}

TEST_F(EmbedderTest, AVectorThatIsNotFiniteIsAnError) {
  // Finite weights whose product overflows float32.
  std::string file;
  {
    std::ifstream in(model_.folder() + "/model.safetensors", std::ios::binary);
    file.assign(std::istreambuf_iterator<char>(in), {});
  }
  uint64_t header = 0;
  std::memcpy(&header, file.data(), sizeof header);
  const float huge = 3e38f;
  for (size_t i = 8 + header; i + 4 <= file.size(); i += 4) std::memcpy(file.data() + i, &huge, 4);
  TestModel overflowing("overflowing");
  overflowing.write("model.safetensors", file);
  const Embedder embedder = Embedder::open({.model = overflowing.folder(), .packed_cache = false});
  const std::vector<std::string> texts = {"a"};
  EXPECT_EQ(embedder.embed(texts)[0].error, ErrorCode::internal);
  const EmbedResult all = embedder.embed(texts, {.outputs = kAll});
  EXPECT_EQ(all[0].error, ErrorCode::internal);
  EXPECT_TRUE(all[0].sparse_ids.empty() && all[0].multi.empty());
  EXPECT_EQ(all.multi().size(), 2 * 32u);
  for (const float value : all.multi()) EXPECT_TRUE(std::isnan(value));
  EXPECT_THROW(embedder.embed_one("a"), InferenceError);
}

}  // namespace
}  // namespace bgem3
