// The public class over its parts: a Call a call, and state that calls share, copied or summed under one mutex.
#include "bgem3/generator.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/sha256.h"
#include "base/weak_hashes.h"
#include "generator/call.h"
#include "generator/config.h"
#include "generator/impl.h"
#include "generator/quality.h"

namespace bgem3 {
namespace {

constexpr size_t kShownDigits = 16;  // of the hashes that the specification names things by

template <typename T>
std::span<const std::byte> bytes_of(const T& values) {
  return std::as_bytes(std::span(values));
}

std::vector<std::string_view> views_of(std::span<const std::string> texts) { return {texts.begin(), texts.end()}; }

}  // namespace

EmbeddingGenerator::Impl::Impl(EmbeddingConfig given, EventHandler handler)
    : config(std::move(given)), on_event(std::move(handler)) {
  check_config(config);
  if (config.cache_embeddings) {
    const size_t capacity = static_cast<size_t>(config.embedding_cache_bytes);
    cache = std::make_unique<EmbeddingCache>(capacity, config.embedding_cache_path);
    tell_of_cache();
  }
  if (!config.history_path.empty()) {
    history = std::make_unique<HistoryWriter>(config.history_path);
    if (!history->set_aside().empty()) {
      tell(EventLevel::warning, "history_damaged",
           fmt::format("{}: damaged; it is set aside as {}, and a new one is begun", config.history_path,
                       history->set_aside()));
    }
  }
}

void EmbeddingGenerator::Impl::tell(EventLevel level, std::string name, std::string message, Fields fields) const {
  if (on_event) on_event({level, std::move(name), std::move(message), std::move(fields)});
}

void EmbeddingGenerator::Impl::tell_of_cache() const {
  if (!cache) return;
  for (std::string& incident : cache->take_incidents()) {
    tell(EventLevel::warning, "embedding_cache_damaged", std::move(incident));
  }
}

std::shared_ptr<const LoadedModel> EmbeddingGenerator::Impl::current() const {
  const std::lock_guard lock(mutex);
  return loaded;
}

size_t EmbeddingGenerator::Impl::max_tokens(const LoadedModel& model) const {
  return std::min(static_cast<size_t>(config.max_sequence_length), model.embedder.info().config.max_tokens);
}

std::shared_ptr<const LoadedModel> EmbeddingGenerator::Impl::load() {
  if (auto model = current()) return model;
  std::unique_lock lock(loading);
  if (auto model = current()) return model;
  const auto begin = Clock::now();
  auto model = config.cache_model ? share_model(open_options(config)) : load_model(open_options(config));
  const double seconds = seconds_since(begin);
  std::shared_ptr<const void> memory;
  if (cache)
    memory = model->embedder.reserve(static_cast<size_t>(config.embedding_cache_bytes), "embedding_cache_bytes");
  {
    const std::lock_guard state(mutex);
    loaded = model;
    cache_memory = std::move(memory);
    load_seconds = seconds;
  }
  lock.unlock();
  tell_of_load(*model, seconds);
  return model;
}

void EmbeddingGenerator::Impl::tell_of_load(const LoadedModel& model, double seconds) const {
  const ModelInfo& info = model.embedder.info();
  tell(EventLevel::info, "model_loaded",
       fmt::format("loaded {} in {:.2f} s: {} dimensions, {} threads, {}", model.version, seconds, info.config.hidden,
                   info.threads, info.isa),
       {{"model_version", model.version},
        {"seconds", seconds},
        {"dimensions", static_cast<int64_t>(info.config.hidden)},
        {"threads", int64_t{info.threads}},
        {"isa", info.isa}});
  for (const std::string& notice : info.notices) tell(EventLevel::warning, "model_notice", notice);
  if (config.num_threads > info.threads) {
    tell(EventLevel::warning, "threads_capped",
         fmt::format("num_threads: {}, used are {} ({})", config.num_threads, info.threads, info.threads_reason),
         {{"configured", config.num_threads}, {"used", int64_t{info.threads}}});
  }
  const size_t most = info.config.max_tokens;
  if (static_cast<size_t>(config.max_sequence_length) > most) {
    tell(EventLevel::warning, "sequence_length_capped",
         fmt::format("max_sequence_length: {}, the model's limit is {} tokens", config.max_sequence_length, most),
         {{"configured", config.max_sequence_length}, {"used", static_cast<int64_t>(most)}});
  }
}

EmbeddingGenerator::EmbeddingGenerator(EmbeddingConfig config, EventHandler on_event)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(on_event))) {}
EmbeddingGenerator::~EmbeddingGenerator() = default;
EmbeddingGenerator::EmbeddingGenerator(EmbeddingGenerator&&) noexcept = default;
EmbeddingGenerator& EmbeddingGenerator::operator=(EmbeddingGenerator&&) noexcept = default;

GeneratedEmbeddings EmbeddingGenerator::generate_embeddings(std::span<const ChunkInput> chunks,
                                                            const CallOptions& options) {
  std::vector<std::string_view> texts;
  for (const ChunkInput& chunk : chunks) texts.push_back(chunk.text);
  Call call(*impl_, texts, 0, options, OnMemory::raise);
  call.run();

  GeneratedEmbeddings generated;
  generated.matrix = std::move(call.matrix);
  generated.chunks.resize(chunks.size());
  for (size_t i = 0; i < chunks.size(); i++) {
    ChunkEmbedding& chunk = generated.chunks[i];
    chunk.chunk_id = chunks[i].chunk_id.empty() ? md5_hex(bytes_of(chunks[i].text)).substr(0, kShownDigits)
                                                : std::string(chunks[i].chunk_id);
    chunk.text_content = chunks[i].text;
    chunk.embedding_vector = generated.matrix.row(i);
    if (chunks[i].metadata) chunk.chunk_metadata = *chunks[i].metadata;
    const Outcome& outcome = call.outcomes[i];
    chunk.metadata = {.chunk_id = chunk.chunk_id,
                      .embedding_hash = sha256_hex(bytes_of(chunk.embedding_vector)).substr(0, kShownDigits),
                      .model_version = call.model->version,
                      .generation_timestamp = outcome.when,
                      .processing_time_ms = outcome.milliseconds,
                      .sequence_length = outcome.tokens,
                      .was_truncated = outcome.truncated,
                      .quality_score = outcome.quality,
                      .error = {}};
  }
  for (const TextFailure& failure : call.failures()) generated.chunks[failure.index].metadata.error = failure.reason;
  return generated;
}

std::vector<float> EmbeddingGenerator::generate_single_embedding(std::string_view text, const CallOptions& options) {
  return batch_process(std::span(&text, 1), 1, options).values;
}

EmbeddingMatrix EmbeddingGenerator::batch_process(std::span<const std::string_view> texts, int64_t batch_size,
                                                  const CallOptions& options) {
  Call call(*impl_, texts, batch_size, options, OnMemory::raise);
  call.run();
  return std::move(call.matrix);
}

EmbeddingMatrix EmbeddingGenerator::batch_process(std::span<const std::string> texts, int64_t batch_size,
                                                  const CallOptions& options) {
  return batch_process(views_of(texts), batch_size, options);
}

EmbeddingMatrix EmbeddingGenerator::safe_process(std::span<const std::string_view> texts, const CallOptions& options) {
  Call call(*impl_, texts, 0, options, OnMemory::halve);
  call.run();
  return std::move(call.matrix);
}

QualityReport EmbeddingGenerator::validate_embedding_quality(std::span<const QualityInput> embeddings,
                                                             std::optional<double> min_quality_score) const {
  if (min_quality_score && !(*min_quality_score >= 0 && *min_quality_score <= 1)) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "min_quality_score: {}, expected 0 to 1", *min_quality_score);
  }
  QualityReport report = assess(embeddings);
  impl_->tell(report.issues.empty() ? EventLevel::info : EventLevel::warning, "quality_validated",
              fmt::format("{} embeddings, average quality {:.3f}, {} issues", report.total_embeddings,
                          report.avg_quality_score, report.issues.size()),
              {{"embeddings", static_cast<int64_t>(report.total_embeddings)},
               {"avg_quality_score", report.avg_quality_score},
               {"issues", static_cast<int64_t>(report.issues.size())}});
  if (min_quality_score && report.avg_quality_score < *min_quality_score) {
    fail<QualityValidationError>(
        ErrorCode::internal,
        "min_quality_score: the average quality of {} embeddings is {:.4f}, expected at least {}{}",
        report.total_embeddings, report.avg_quality_score, *min_quality_score,
        report.issues.empty() ? "" : "; first issue: " + report.processing_issues.front());
  }
  return report;
}

QualityReport EmbeddingGenerator::validate_embedding_quality(std::span<const ChunkEmbedding> embeddings,
                                                             std::optional<double> min_quality_score) const {
  std::vector<QualityInput> inputs;
  for (const ChunkEmbedding& embedding : embeddings) {
    inputs.push_back({.vector = embedding.embedding_vector,
                      .text = embedding.text_content,
                      .quality_score = embedding.metadata.quality_score,
                      .processing_time_ms = embedding.metadata.processing_time_ms,
                      .error = embedding.metadata.error});
  }
  return validate_embedding_quality(inputs, min_quality_score);
}

double EmbeddingGenerator::quality_score(std::span<const float> vector, std::string_view text) {
  return score_vector(vector, text);
}

void EmbeddingGenerator::warm_up_model() {
  const auto begin = Clock::now();
  const auto model = impl_->load();
  // A query, and paragraphs for every thread: the buffers of short and of usual passes.
  constexpr size_t kParagraphTokens = 256;
  const EmbedOptions options = {.max_tokens = std::min(kParagraphTokens, impl_->max_tokens(*model))};
  std::string paragraph;
  for (size_t i = 0; i < kParagraphTokens; i++) paragraph += "warm ";
  for (int64_t i = 0; i < impl_->config.warmup_iterations; i++) {
    model->embedder.embed_one("warm up", options);
    std::vector<std::string> texts;
    for (int thread = 0; thread < model->embedder.info().threads; thread++) {
      texts.push_back(fmt::format("{} {}", thread, paragraph));  // equal texts would be computed once
    }
    model->embedder.embed(texts, options);
  }
  const double seconds = seconds_since(begin);
  impl_->tell(EventLevel::info, "model_warmed_up",
              fmt::format("{} iterations in {:.2f} s", impl_->config.warmup_iterations, seconds),
              {{"iterations", impl_->config.warmup_iterations}, {"seconds", seconds}});
}

ProcessingStats EmbeddingGenerator::get_processing_stats() const {
  const std::lock_guard lock(impl_->mutex);
  ProcessingStats stats = to_stats(impl_->counters);
  stats.model_load_seconds = impl_->load_seconds;
  stats.dtype = public_dtype(impl_->config.dtype);
  if (impl_->cache) stats.cache_bytes = impl_->cache->memory_bytes();
  if (impl_->loaded) {
    stats.isa = impl_->loaded->embedder.info().isa;
    stats.threads = static_cast<size_t>(impl_->loaded->embedder.info().threads);
  }
  return stats;
}

void EmbeddingGenerator::clear_cache() {
  std::shared_ptr<const LoadedModel> model;
  std::shared_ptr<const void> memory;
  {
    const std::lock_guard lock(impl_->mutex);
    model.swap(impl_->loaded);
    memory.swap(impl_->cache_memory);
  }
  memory.reset();
  model.reset();  // outside the lock: it may take a while
  if (impl_->cache) impl_->cache->clear_memory();
  impl_->tell(EventLevel::info, "cache_cleared", "the model and the vectors in memory are given up");
}

std::vector<TextFailure> EmbeddingGenerator::last_failures() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<TextFailure> failures = impl_->failures;
  std::sort(failures.begin(), failures.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  return failures;
}

std::shared_ptr<const Embedder> EmbeddingGenerator::model() {
  const auto loaded = impl_->load();
  return {loaded, &loaded->embedder};
}

bool EmbeddingGenerator::model_loaded() const { return impl_->current() != nullptr; }

size_t EmbeddingGenerator::dimensions() const {
  const auto loaded = impl_->current();
  return loaded ? loaded->embedder.info().config.hidden : kModelDimension;
}

const EmbeddingConfig& EmbeddingGenerator::config() const { return impl_->config; }

}  // namespace bgem3
