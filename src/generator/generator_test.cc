// The product class over a tiny model on disk: results, failures, limits, statistics, sharing.
#include "bgem3/generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <thread>

#include "base/sha256.h"
#include "bgem3/history.h"
#include "embedder/test_embedder.h"

namespace bgem3 {
namespace {

class GeneratorTest : public testing::Test {
 protected:
  EmbeddingConfig config(EmbeddingConfig config = {}) const {
    config.model_name = model_.folder();
    config.cache_dir = model_.folder() + "/cache";
    config.num_threads = 2;
    return config;
  }
  EmbeddingGenerator generator(EmbeddingConfig wanted = {}) {
    return EmbeddingGenerator(config(std::move(wanted)), [this](const Event& event) { events_.push_back(event); });
  }
  size_t events(std::string_view name) const {
    return static_cast<size_t>(
        std::count_if(events_.begin(), events_.end(), [&](const Event& event) { return event.name == name; }));
  }

  TestModel model_;
  std::vector<Event> events_;
};

std::vector<ChunkInput> chunks_of(const std::vector<std::string>& texts) {
  std::vector<ChunkInput> chunks;
  for (const std::string& text : texts) chunks.push_back({.text = text});
  return chunks;
}

std::vector<std::string> some_texts(size_t count) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; i++) {
    std::string& text = texts.emplace_back();
    for (size_t word = 0; word <= i % 30; word++)
      text += std::string(1, static_cast<char>('a' + (i * 7 + word) % 26)) + " ";
  }
  return texts;
}

double norm_of(std::span<const float> vector) {
  double squares = 0;
  for (const float value : vector) squares += double{value} * value;
  return std::sqrt(squares);
}

TEST_F(GeneratorTest, GivesVectorsWithMetadataInTheOrderOfTheChunks) {
  EmbeddingGenerator generator = this->generator();
  const std::vector<std::string> texts = some_texts(70);
  const std::map<std::string, std::string> metadata = {{"page", "3"}};
  std::vector<ChunkInput> chunks = chunks_of(texts);
  chunks[5].chunk_id = "five";
  chunks[5].metadata = &metadata;
  const auto before = std::chrono::system_clock::now();
  const GeneratedEmbeddings generated = generator.generate_embeddings(chunks);

  const Embedder embedder = Embedder::open({.model = model_.folder(), .cache_dir = model_.folder() + "/cache"});
  ASSERT_EQ(generated.chunks.size(), 70u);
  EXPECT_EQ(generated.matrix.dimensions, 32u);
  for (size_t i = 0; i < texts.size(); i++) {
    const ChunkEmbedding& chunk = generated.chunks[i];
    const std::vector<float> expected = embedder.embed_one(texts[i]);
    ASSERT_TRUE(std::ranges::equal(chunk.embedding_vector, expected)) << i;
    EXPECT_EQ(chunk.text_content, texts[i]);
    EXPECT_EQ(chunk.metadata.chunk_id, chunk.chunk_id);
    EXPECT_EQ(chunk.metadata.embedding_hash, sha256_hex(std::as_bytes(std::span(expected))).substr(0, 16));
    EXPECT_EQ(chunk.metadata.sequence_length, embedder.tokenizer().encode(texts[i]).ids.size());
    EXPECT_FALSE(chunk.metadata.was_truncated);
    EXPECT_GT(chunk.metadata.processing_time_ms, 0);
    EXPECT_GT(chunk.metadata.quality_score, 0.8);
    EXPECT_GE(chunk.metadata.generation_timestamp, before);
    EXPECT_EQ(chunk.metadata.error, "");
  }
  EXPECT_EQ(generated.chunks[5].chunk_id, "five");
  EXPECT_EQ(generated.chunks[5].chunk_metadata.at("page"), "3");
  EXPECT_TRUE(generated.chunks[4].chunk_metadata.empty());
  EXPECT_EQ(generated.chunks[4].metadata.model_version.find(model_.folder() + " float32"), 0u);
}

TEST_F(GeneratorTest, TheDefaultChunkIdIsTheTextsMd5) {
  const std::vector<std::string> texts = {"message digest"};
  EXPECT_EQ(generator().generate_embeddings(chunks_of(texts)).chunks[0].chunk_id, "f96b697d7cb7938d");
}

TEST_F(GeneratorTest, EveryWayGivesTheSameBitsInEveryBatchSize) {
  EmbeddingGenerator generator = this->generator();
  const std::vector<std::string> texts = some_texts(50);
  const std::vector<float> expected = generator.batch_process(texts).values;
  for (const int64_t batch_size : {1, 3, 50, 1000}) {
    EXPECT_EQ(generator.batch_process(texts, batch_size).values, expected) << batch_size;
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  EXPECT_EQ(generator.safe_process(views).values, expected);
  EXPECT_EQ(generator.generate_embeddings(chunks_of(texts)).matrix.values, expected);
  EXPECT_EQ(generator.generate_single_embedding(texts[49]), std::vector<float>(expected.end() - 32, expected.end()));
}

TEST_F(GeneratorTest, NothingGivesNothing) {
  EmbeddingGenerator generator = this->generator();
  EXPECT_TRUE(generator.generate_embeddings({}).chunks.empty());
  EXPECT_EQ(generator.batch_process(std::vector<std::string>{}).texts, 0u);
  EXPECT_EQ(generator.get_processing_stats().average_batch_size, 0);
}

TEST_F(GeneratorTest, VectorsStayValidWhereTheResultIsMoved) {
  EmbeddingGenerator generator = this->generator();
  GeneratedEmbeddings first = generator.generate_embeddings(chunks_of({"a b c"}));
  const GeneratedEmbeddings second = std::move(first);
  EXPECT_EQ(second.chunks[0].embedding_vector.data(), second.matrix.values.data());
}

TEST_F(GeneratorTest, NormalizesOrNot) {
  EXPECT_NEAR(norm_of(generator().generate_single_embedding("a b c")), 1, 1e-6);
  EXPECT_GT(std::abs(norm_of(generator({.normalize_embeddings = false}).generate_single_embedding("a b c")) - 1), 1e-3);
}

TEST_F(GeneratorTest, TruncationIsExact) {
  EmbeddingGenerator generator = this->generator({.max_sequence_length = 5});
  const auto generated = generator.generate_embeddings(chunks_of({"a b c", "a b c d", "a"}));
  EXPECT_EQ(generated.chunks[0].metadata.sequence_length, 5u);
  EXPECT_FALSE(generated.chunks[0].metadata.was_truncated);
  EXPECT_EQ(generated.chunks[1].metadata.sequence_length, 5u);
  EXPECT_TRUE(generated.chunks[1].metadata.was_truncated);
  EXPECT_EQ(generated.chunks[2].metadata.sequence_length, 3u);
  EXPECT_EQ(generator.get_processing_stats().truncated, 1u);
}

// The model's limit is 64, the specification's default 512.
TEST_F(GeneratorTest, AModelWithASmallerLimitKeepsItsOwnAndSaysSo) {
  EmbeddingGenerator generator = this->generator();
  std::string text;
  for (int i = 0; i < 100; i++) text += "a ";
  const auto generated = generator.generate_embeddings(chunks_of({text}));
  EXPECT_EQ(generated.chunks[0].metadata.sequence_length, 64u);
  EXPECT_TRUE(generated.chunks[0].metadata.was_truncated);
  EXPECT_EQ(events("sequence_length_capped"), 1u);
}

TEST_F(GeneratorTest, TooManyThreadsAreCappedAndThatIsReported) {
  EmbeddingConfig wanted = config();
  wanted.num_threads = 100000;
  EmbeddingGenerator generator(wanted, [this](const Event& event) { events_.push_back(event); });
  generator.generate_single_embedding("a");
  EXPECT_EQ(events("threads_capped"), 1u);
  EXPECT_LT(generator.get_processing_stats().threads, 100000u);
}

TEST_F(GeneratorTest, AFailedTextIsZeroAndItsNeighboursAreKept) {
  EmbeddingGenerator generator = this->generator({.max_text_bytes = 60});
  const std::vector<std::string> texts = {"a b c", "bad \xff", "d e f", std::string(61, 'a'), "g"};
  const auto generated = generator.generate_embeddings(chunks_of(texts));
  for (const size_t bad : {1, 3}) {
    const ChunkEmbedding& chunk = generated.chunks[bad];
    EXPECT_EQ(norm_of(chunk.embedding_vector), 0);
    EXPECT_EQ(chunk.embedding_vector.size(), 32u);
    EXPECT_EQ(chunk.metadata.quality_score, 0);
    EXPECT_EQ(chunk.metadata.sequence_length, 0u);
    EXPECT_NE(chunk.metadata.error, "");
  }
  EXPECT_NE(generated.chunks[3].metadata.error.find("61 bytes, at most 60"), std::string::npos);
  for (const size_t good : {0, 2, 4}) {
    EXPECT_EQ(generated.chunks[good].metadata.error, "");
    EXPECT_TRUE(
        std::ranges::equal(generated.chunks[good].embedding_vector, generator.generate_single_embedding(texts[good])));
  }
  EXPECT_EQ(events("text_failed"), 2u);
  generator.generate_embeddings(chunks_of(texts));
  const std::vector<TextFailure> failures = generator.last_failures();
  ASSERT_EQ(failures.size(), 2u);
  EXPECT_EQ(failures[0].index, 1u);
  EXPECT_EQ(failures[0].code, ErrorCode::invalid_input);
  EXPECT_EQ(failures[1].index, 3u);
  EXPECT_EQ(failures[1].code, ErrorCode::overloaded);
  const QualityReport report = generator.validate_embedding_quality(generated.chunks);
  EXPECT_EQ(std::ranges::count(report.issues, "failed", &QualityIssue::kind), 2);
  generator.generate_single_embedding("a");
  EXPECT_TRUE(generator.last_failures().empty());
}

TEST_F(GeneratorTest, OnErrorRaiseNamesTheText) {
  EmbeddingGenerator generator = this->generator({.on_error = TextErrors::raise});
  const std::vector<std::string> texts = {"a", "b", "bad \xff"};
  const std::string message = message_of<InferenceError>([&] { generator.batch_process(texts); });
  EXPECT_EQ(message.find("text 2: "), 0u) << message;
  EXPECT_THROW(generator.generate_single_embedding("\xff"), InferenceError);
  EXPECT_EQ(generator.get_processing_stats().failed, 2u);
  EXPECT_EQ(generator.get_processing_stats().total_embeddings, 4u);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const EmbeddingMatrix matrix = generator.safe_process(views);
  EXPECT_EQ(norm_of(matrix.row(2)), 0);
  EXPECT_NEAR(norm_of(matrix.row(1)), 1, 1e-6);
}

TEST_F(GeneratorTest, LimitsOnACallAreRefusedWithTheLimit) {
  EmbeddingGenerator generator = this->generator({.max_texts_per_call = 2, .max_total_tokens = 9});
  EXPECT_NO_THROW(generator.batch_process(std::vector<std::string>{"a b", "c d e"}));  // 4 and 5 tokens
  std::string message = message_of<ResourceLimitError>([&] {
    generator.batch_process(std::vector<std::string>{"a", "b", "c"});
  });
  EXPECT_NE(message.find("max_texts_per_call: 3 texts, at most 2"), std::string::npos) << message;
  message = message_of<ResourceLimitError>([&] {
    generator.batch_process(std::vector<std::string>{"a b c", "d e f"});
  });
  EXPECT_NE(message.find("max_total_tokens: the 2 texts have 10 tokens, at most 9"), std::string::npos) << message;
  EXPECT_EQ(generator.get_processing_stats().total_embeddings, 2u);
}

TEST_F(GeneratorTest, BadArgumentsAreRefused) {
  EmbeddingGenerator generator = this->generator();
  EXPECT_THROW(generator.batch_process(std::vector<std::string>{"a"}, -1), InvalidInputError);
  EXPECT_THROW(generator.validate_embedding_quality(std::span<const QualityInput>(), 1.5), InvalidInputError);
  EXPECT_THROW(generator.validate_embedding_quality(std::span<const QualityInput>(), NAN), InvalidInputError);
  EXPECT_THROW(EmbeddingGenerator({.device = "cuda"}), InvalidInputError);
  EmbeddingConfig missing = config();
  missing.model_name = model_.folder() + "/missing";
  EmbeddingGenerator without(missing);
  EXPECT_THROW(without.generate_single_embedding("a"), ModelLoadingError);
  EXPECT_FALSE(without.model_loaded());
}

TEST_F(GeneratorTest, ACeilingTooLowIsRefusedBeforeWorkStarts) {
  EmbeddingGenerator generator = this->generator({.max_memory_gb = 0.001});
  const std::string message = message_of<ResourceLimitError>([&] { generator.generate_single_embedding("a"); });
  EXPECT_NE(message.find("1073742 bytes are allowed"), std::string::npos) << message;
}

TEST_F(GeneratorTest, ResultsTooLargeForTheCeilingAreRefusedBeforeWorkStarts) {
  EmbeddingGenerator generator = this->generator({.max_memory_gb = 2});
  const std::vector<std::string_view> texts(3'000'000, "a");
  const std::string message = message_of<ResourceLimitError>([&] { generator.batch_process(texts); });
  EXPECT_NE(message.find("the result of 3000000 texts needs 2691000000 bytes"), std::string::npos) << message;
  EXPECT_NE(message.find("max_memory of 2147483648 bytes"), std::string::npos) << message;
  EXPECT_EQ(generator.get_processing_stats().batches, 0u);
}

TEST_F(GeneratorTest, QualityBelowTheMinimumIsAnError) {
  EmbeddingGenerator generator = this->generator();
  const auto generated = generator.generate_embeddings(chunks_of({"a good and long text", "bad \xff"}));
  EXPECT_EQ(generator.validate_embedding_quality(generated.chunks, 0.5).avg_quality_score, 0.5);
  const std::string message =
      message_of<QualityValidationError>([&] { generator.validate_embedding_quality(generated.chunks, 0.51); });
  EXPECT_NE(message.find("0.5000, expected at least 0.51"), std::string::npos) << message;
  EXPECT_THROW(generator.validate_embedding_quality(std::span<const QualityInput>(), 0.1), QualityValidationError);
}

TEST_F(GeneratorTest, StatisticsAreTrue) {
  EmbeddingGenerator generator = this->generator({.batch_size = 4});
  EXPECT_EQ(generator.get_processing_stats().isa, "");
  generator.batch_process(std::vector<std::string>{"a", "b", "c", "d", "e"});  // batches of 4 and 1
  generator.batch_process(std::vector<std::string>{"f", "\xff"}, 2);
  const ProcessingStats stats = generator.get_processing_stats();
  EXPECT_EQ(stats.total_embeddings, 7u);
  EXPECT_EQ(stats.batches, 3u);
  EXPECT_DOUBLE_EQ(stats.average_batch_size, 7.0 / 3);
  EXPECT_EQ(stats.tokens, 18u);
  EXPECT_EQ(stats.failed, 1u);
  EXPECT_GT(stats.total_processing_time, 0);
  EXPECT_DOUBLE_EQ(stats.avg_time_per_embedding, stats.total_processing_time / 7);
  EXPECT_DOUBLE_EQ(stats.tokens_per_second, 18 / stats.total_processing_time);
  EXPECT_GT(stats.memory_usage_peak, 0.001);
  EXPECT_GT(stats.model_load_seconds, 0);
  EXPECT_EQ(stats.dtype, "float32");
  EXPECT_NE(stats.isa, "");
  generator.warm_up_model();
  EXPECT_EQ(generator.get_processing_stats().total_embeddings, 7u);
  EXPECT_EQ(events("model_warmed_up"), 1u);
}

TEST_F(GeneratorTest, GeneratorsShareAModelUnlessTheyDiffer) {
  EmbeddingGenerator one = generator(), two = generator(), other = generator({.dtype = "bfloat16"}),
                     own = generator({.cache_model = false});
  const Embedder* const shared = one.model().get();
  EXPECT_EQ(two.model().get(), shared);
  EXPECT_NE(other.model().get(), shared);
  EXPECT_NE(own.model().get(), shared);
  EXPECT_EQ(other.dimensions(), 32u);
}

TEST_F(GeneratorTest, TheModelIsFreedWithItsLastUserAndLoadedAgain) {
  EmbeddingGenerator one = generator();
  EXPECT_EQ(one.dimensions(), EmbeddingGenerator::kModelDimension);
  const std::vector<float> before = one.generate_single_embedding("a");
  std::weak_ptr<const Embedder> model = one.model();
  {
    EmbeddingGenerator two = generator();
    two.generate_single_embedding("a");
    one.clear_cache();
    EXPECT_FALSE(one.model_loaded());
    EXPECT_FALSE(model.expired());
  }
  EXPECT_TRUE(model.expired());
  EXPECT_EQ(one.generate_single_embedding("a"), before);
  EXPECT_TRUE(one.model_loaded());
  EXPECT_EQ(events("cache_cleared"), 1u);
}

// What is on disk counts, not what it is called.
TEST_F(GeneratorTest, AChangedModelIsNotShared) {
  EmbeddingGenerator one = generator();
  const auto model = one.model();
  TestModel other("other");
  std::filesystem::rename(other.folder() + "/model.safetensors", model_.folder() + "/model.safetensors");
  EmbeddingGenerator two = generator();
  EXPECT_NE(two.model(), model);
}

TEST_F(GeneratorTest, ManyThreadsUseOneGenerator) {
  EmbeddingGenerator generator(config());
  const std::vector<std::string> texts = some_texts(40);
  const std::vector<float> expected = EmbeddingGenerator(config()).batch_process(texts).values;
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 3; round++) {
        right += generator.batch_process(texts, 1 + i).values == expected;
        if (i == 0) generator.clear_cache();
        generator.get_processing_stats();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 12);
  EXPECT_EQ(generator.get_processing_stats().total_embeddings, 480u);
}

TEST_F(GeneratorTest, RemembersVectorsByContent) {
  EmbeddingGenerator generator = this->generator({.cache_embeddings = true});
  std::vector<std::string> texts = some_texts(20);
  const auto first = generator.generate_embeddings(chunks_of(texts));
  EXPECT_EQ(generator.get_processing_stats().cache_misses, 20u);
  EXPECT_GT(generator.get_processing_stats().cache_bytes, 20u * 32 * 4);
  const size_t tokens = generator.get_processing_stats().tokens;
  texts.push_back("new");
  const auto second = generator.generate_embeddings(chunks_of(texts));
  const ProcessingStats stats = generator.get_processing_stats();
  EXPECT_EQ(stats.cache_hits, 20u);
  EXPECT_EQ(stats.cache_misses, 21u);
  EXPECT_EQ(stats.tokens, tokens + second.chunks[20].metadata.sequence_length);
  EXPECT_EQ(stats.batches, 2u);
  for (size_t i = 0; i < 20; i++) {
    const EmbeddingMetadata &before = first.chunks[i].metadata, &after = second.chunks[i].metadata;
    EXPECT_TRUE(std::ranges::equal(first.chunks[i].embedding_vector, second.chunks[i].embedding_vector));
    EXPECT_EQ(after.sequence_length, before.sequence_length);
    EXPECT_EQ(after.embedding_hash, before.embedding_hash);
    EXPECT_EQ(after.quality_score, before.quality_score);
    EXPECT_GT(after.processing_time_ms, 0);
  }
  generator.clear_cache();
  EXPECT_EQ(generator.get_processing_stats().cache_bytes, 0u);
  generator.batch_process(texts);
  EXPECT_EQ(generator.get_processing_stats().cache_misses, 42u);
}

TEST_F(GeneratorTest, AFailedTextIsNotRemembered) {
  EmbeddingGenerator generator = this->generator({.cache_embeddings = true});
  for (int i = 0; i < 2; i++) {
    generator.generate_single_embedding("\xff");
    EXPECT_EQ(generator.last_failures().size(), 1u);
  }
  EXPECT_EQ(generator.get_processing_stats().cache_hits, 0u);
}

// Every option that changes a vector changes what it is remembered by; the others do not.
TEST_F(GeneratorTest, AFileOfVectorsIsSharedByGeneratorsThatWouldComputeTheSame) {
  const std::string path = model_.folder() + "/vectors.db";
  const auto hits = [&](EmbeddingConfig wanted) {
    wanted.cache_embeddings = true;
    wanted.embedding_cache_path = path;
    EmbeddingGenerator generator = this->generator(std::move(wanted));
    generator.batch_process(std::vector<std::string>{"a b c d e f", "[CLS] x"});
    return generator.get_processing_stats().cache_hits;
  };
  EXPECT_EQ(hits({}), 0u);
  EXPECT_EQ(hits({}), 2u);
  EXPECT_EQ(hits({.batch_size = 1, .warmup_iterations = 0}), 2u);
  EXPECT_EQ(hits({.dtype = "f32"}), 2u);
  EXPECT_EQ(hits({.dtype = "bfloat16"}), 0u);
  EXPECT_EQ(hits({.max_sequence_length = 6}), 0u);
  EXPECT_EQ(hits({.normalize_embeddings = false}), 0u);
  EXPECT_EQ(hits({.special_tokens_in_text = SpecialTokensInText::escape}), 0u);
  EXPECT_EQ(hits({}), 2u);
  const TestModel other("other");
  std::filesystem::copy_file(other.folder() + "/tokenizer.json", model_.folder() + "/tokenizer.json",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(hits({}), 2u);  // the same content
  model_.write("config.json", R"({"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2,
      "num_attention_heads": 4, "intermediate_size": 48, "vocab_size": 32, "max_position_embeddings": 64,
      "type_vocab_size": 2, "layer_norm_eps": 1e-3, "pad_token_id": 0, "hidden_act": "gelu"})");
  EXPECT_EQ(hits({}), 0u);
}

TEST_F(GeneratorTest, ADamagedFileOfVectorsOrHistoryIsAnEvent) {
  model_.write("vectors.db", std::string(1000, 'x'));
  model_.write("history.db", std::string(1000, 'x'));
  EmbeddingGenerator generator = this->generator({.cache_embeddings = true,
                                                  .embedding_cache_path = model_.folder() + "/vectors.db",
                                                  .history_path = model_.folder() + "/history.db"});
  EXPECT_EQ(events("embedding_cache_damaged"), 1u);
  EXPECT_EQ(events("history_damaged"), 1u);
  EXPECT_NEAR(norm_of(generator.generate_single_embedding("a")), 1, 1e-6);
}

TEST_F(GeneratorTest, ACacheTooLargeForTheCeilingIsRefused) {
  EmbeddingGenerator generator =
      this->generator({.cache_embeddings = true, .max_memory_gb = 1, .embedding_cache_bytes = int64_t{2} << 30});
  const std::string message = message_of<ResourceLimitError>([&] { generator.generate_single_embedding("a"); });
  EXPECT_NE(message.find("embedding_cache_bytes needs 2147483648 bytes; max_memory of 1073741824"), std::string::npos)
      << message;
  EXPECT_FALSE(generator.model_loaded());
}

TEST_F(GeneratorTest, HistoryKeepsARowACall) {
  const std::string path = model_.folder() + "/history.db";
  EmbeddingGenerator generator = this->generator({.history_path = path});
  generator.batch_process(std::vector<std::string>{"a text that is long enough", "\xff"});
  generator.generate_single_embedding("a");
  generator.batch_process(std::vector<std::string>{});
  const std::vector<HistoryRow> rows = read_history(path);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].texts, 2u);
  EXPECT_EQ(rows[0].failures, 1u);
  EXPECT_EQ(rows[0].mean_quality, 0.5);
  EXPECT_EQ(rows[0].dtype, "float32");
  EXPECT_NE(rows[0].model_version.find(" float32 unverified"), std::string::npos);
  EXPECT_GT(rows[0].tokens_per_second, 0);
  EXPECT_GT(rows[0].peak_memory_gb, 0);
  EXPECT_EQ(rows[1].tokens, 3u);
  EXPECT_GE(rows[1].time, rows[0].time);
}

TEST_F(GeneratorTest, StopsAndTellsProgress) {
  EmbeddingGenerator generator = this->generator({.batch_size = 10});
  std::stop_source stop;
  std::vector<size_t> progress;
  CallOptions options;
  options.stop = stop.get_token();
  options.on_progress = [&](size_t done, size_t total) {
    EXPECT_EQ(total, 35u);
    progress.push_back(done);
    if (done == 20) stop.request_stop();
  };
  const EmbeddingMatrix matrix = generator.batch_process(some_texts(35), 0, options);
  EXPECT_EQ(progress, (std::vector<size_t>{10, 20, 30, 35}));
  EXPECT_GT(norm_of(matrix.row(19)), 0);
  EXPECT_EQ(norm_of(matrix.row(20)), 0);
  ASSERT_EQ(generator.last_failures().size(), 15u);
  EXPECT_EQ(generator.last_failures()[0].code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace bgem3
