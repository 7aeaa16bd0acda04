// A call is cut into batches of batch_size texts, which the engine computes one after the other; what is known of each
// text stands in a slot in the caller's order. State that calls share (the model, counters, failures) is copied or
// summed under one mutex, which is never held while computing or calling the user's functions.
#include "bgem3/generator.h"

#include <algorithm>
#include <mutex>
#include <new>

#include "base/error.h"
#include "base/sha256.h"
#include "base/weak_hashes.h"
#include "generator/config.h"
#include "generator/model_registry.h"
#include "generator/quality.h"
#include "generator/statistics.h"

namespace bgem3 {
namespace {

using Clock = std::chrono::steady_clock;

// Of a call for each text, beside its vector and the text itself: its slot, its ChunkEmbedding with the strings in it.
constexpr size_t kBytesOfText = 768;
constexpr size_t kShownDigits = 16;  // of the hashes that the specification names things by

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

template <typename T>
std::span<const std::byte> bytes_of(const T& values) {
  return std::as_bytes(std::span(values));
}

// What happened to one text.
struct Outcome {
  size_t tokens = 0;
  bool truncated = false;
  double milliseconds = 0;
  std::chrono::system_clock::time_point when = {};
};

}  // namespace

struct EmbeddingGenerator::Impl {
  const EmbeddingConfig config;
  const EventHandler on_event;

  std::mutex loading;  // taken before `mutex`
  mutable std::mutex mutex;
  std::shared_ptr<const LoadedModel> loaded;  // this and below: guarded by `mutex`
  double load_seconds = 0;
  Counters counters;
  std::vector<TextFailure> failures;

  Impl(EmbeddingConfig given, EventHandler handler) : config(std::move(given)), on_event(std::move(handler)) {
    check_config(config);
  }

  void tell(EventLevel level, std::string name, std::string message,
            std::vector<std::pair<std::string, Event::Value>> fields = {}) const {
    if (on_event) on_event({level, std::move(name), std::move(message), std::move(fields)});
  }

  std::shared_ptr<const LoadedModel> current() const {
    const std::lock_guard lock(mutex);
    return loaded;
  }
  std::shared_ptr<const LoadedModel> load();
  size_t max_tokens(const LoadedModel& model) const;
};

// The limit of the configuration, or the model's own if that is smaller.
size_t EmbeddingGenerator::Impl::max_tokens(const LoadedModel& model) const {
  return std::min(static_cast<size_t>(config.max_sequence_length), model.embedder.info().config.max_tokens);
}

std::shared_ptr<const LoadedModel> EmbeddingGenerator::Impl::load() {
  if (auto model = current()) return model;
  const std::lock_guard lock(loading);
  if (auto model = current()) return model;
  const auto begin = Clock::now();
  auto model = config.cache_model ? share_model(open_options(config)) : load_model(open_options(config));
  const double seconds = seconds_since(begin);
  {
    const std::lock_guard state(mutex);
    loaded = model;
    load_seconds = seconds;
  }
  const ModelInfo& info = model->embedder.info();
  tell(EventLevel::info, "model_loaded",
       fmt::format("loaded {} in {:.2f} s: {} dimensions, {} threads, {}", model->version, seconds, info.config.hidden,
                   info.threads, info.isa),
       {{"model_version", model->version},
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
  return model;
}

namespace {

using Impl = EmbeddingGenerator::Impl;

enum class OnMemory { raise, halve };

// One call. Its counters and failures reach the generator when it ends, however it ends.
class Call {
 public:
  Call(Impl& generator, std::span<const std::string_view> texts, int64_t batch_size, const CallOptions& options,
       OnMemory on_memory)
      : generator_(generator),
        config_(generator.config),
        texts_(texts),
        options_(options),
        batch_size_(static_cast<size_t>(batch_size == 0 ? config_.batch_size : batch_size)),
        raise_(config_.on_error == TextErrors::raise && on_memory == OnMemory::raise),
        on_memory_(on_memory) {
    if (batch_size < 0) {
      fail<InvalidInputError>(ErrorCode::invalid_input, "batch_size: {}, expected 1 or more, or 0: the configuration's",
                              batch_size);
    }
  }
  ~Call() {
    if (began_) counters_.seconds = seconds_since(*began_);
    const std::lock_guard lock(generator_.mutex);
    generator_.counters.add(counters_);
    generator_.failures = std::move(failures_);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void run();

  std::shared_ptr<const LoadedModel> model;
  EmbeddingMatrix matrix;
  std::vector<Outcome> outcomes;
  const std::vector<TextFailure>& failures() const { return failures_; }

 private:
  void check_limits() const;
  void check_tokens() const;
  void compute(std::span<const size_t> batch);
  void fail_text(size_t index, ErrorCode code, std::string reason);
  void settle_failures();

  Impl& generator_;
  const EmbeddingConfig& config_;
  const std::span<const std::string_view> texts_;
  const CallOptions& options_;
  const size_t batch_size_;
  const bool raise_;
  const OnMemory on_memory_;
  std::shared_ptr<const void> memory_;  // of the results
  EmbedOptions embed_;
  Counters counters_;
  std::vector<TextFailure> failures_;
  size_t told_failures_ = 0;
  std::optional<Clock::time_point> began_;  // with the model at hand
};

void Call::check_limits() const {
  const size_t most = static_cast<size_t>(config_.max_texts_per_call);
  if (most != 0 && texts_.size() > most) {
    fail<ResourceLimitError>(ErrorCode::overloaded,
                             "max_texts_per_call: {} texts, at most {} are allowed; pass fewer at a time",
                             texts_.size(), most);
  }
}

// Counting costs a ten thousandth of computing.
void Call::check_tokens() const {
  const size_t most = static_cast<size_t>(config_.max_total_tokens);
  if (most == 0) return;
  const EncodeOptions encode = {.max_tokens = embed_.max_tokens,
                                .special_tokens_in_text = embed_.special_tokens_in_text};
  size_t total = 0;
  for (const std::string_view text : texts_) {
    try {
      total += model->embedder.tokenizer().encode(text, encode).ids.size();
    } catch (const InvalidInputError&) {  // will fail by itself
    }
  }
  if (total > most) {
    fail<ResourceLimitError>(ErrorCode::overloaded,
                             "max_total_tokens: the {} texts have {} tokens, at most {} are allowed; pass fewer at a "
                             "time",
                             texts_.size(), total, most);
  }
}

void Call::run() {
  const auto begin = Clock::now();
  check_limits();
  model = generator_.load();
  began_ = Clock::now();
  embed_.max_tokens = generator_.max_tokens(*model);
  embed_.normalize = config_.normalize_embeddings;
  embed_.special_tokens_in_text = config_.special_tokens_in_text;
  embed_.stop = options_.stop;
  check_tokens();

  const size_t dimensions = model->embedder.info().config.hidden;
  size_t text_bytes = 0;
  for (const std::string_view text : texts_) text_bytes += text.size();
  memory_ = model->embedder.reserve(texts_.size() * (dimensions * sizeof(float) + kBytesOfText) + text_bytes,
                                    fmt::format("the result of {} texts", texts_.size()));
  try {
    matrix = {texts_.size(), dimensions, std::vector<float>(texts_.size() * dimensions)};
    outcomes.resize(texts_.size());
  } catch (const std::bad_alloc&) {
    fail<ResourceLimitError>(ErrorCode::overloaded, "out of memory for the vectors of {} texts: pass fewer at a time",
                             texts_.size());
  }
  std::vector<size_t> wanted;
  for (size_t i = 0; i < texts_.size(); i++) {
    const size_t most = static_cast<size_t>(config_.max_text_bytes);
    if (most != 0 && texts_[i].size() > most) {
      fail_text(i, ErrorCode::overloaded,
                fmt::format("max_text_bytes: the text has {} bytes, at most {} are allowed", texts_[i].size(), most));
    } else {
      wanted.push_back(i);
    }
  }
  counters_.texts = texts_.size() - wanted.size();
  settle_failures();
  size_t size = batch_size_;
  for (size_t at = 0; at < wanted.size();) {
    const auto batch = std::span(wanted).subspan(at, std::min(size, wanted.size() - at));
    try {
      compute(batch);
    } catch (const ResourceLimitError& error) {
      if (on_memory_ == OnMemory::raise) throw;
      if (batch.size() > 1) {
        size = batch.size() / 2;
        generator_.tell(EventLevel::warning, "batch_halved",
                        fmt::format("batches of {} texts from here on: {}", size, error.what()),
                        {{"batch_size", static_cast<int64_t>(size)}});
        continue;
      }
      fail_text(batch.front(), error.code(), error.what());
    }
    at += batch.size();
    counters_.texts += batch.size();
    settle_failures();
    if (options_.on_progress) options_.on_progress(counters_.texts, texts_.size());
  }
  const double seconds = seconds_since(begin);
  generator_.tell(EventLevel::info, "call_completed",
                  fmt::format("{} texts in {:.3f} s, {} tokens, {} failed", texts_.size(), seconds, counters_.tokens,
                              failures_.size()),
                  {{"texts", static_cast<int64_t>(texts_.size())},
                   {"seconds", seconds},
                   {"tokens", static_cast<int64_t>(counters_.tokens)},
                   {"failed", static_cast<int64_t>(failures_.size())}});
}

void Call::compute(std::span<const size_t> batch) {
  const auto begin = Clock::now();
  std::vector<std::string_view> texts;
  for (const size_t index : batch) texts.push_back(texts_[index]);
  const EmbedResult result = model->embedder.embed(texts, embed_);
  const double milliseconds = seconds_since(begin) * 1000;
  const auto when = std::chrono::system_clock::now();

  size_t tokens = 0;
  for (const Embedding& embedding : result) tokens += embedding.error ? 0 : embedding.tokens;
  for (size_t i = 0; i < batch.size(); i++) {
    const size_t index = batch[i];
    const Embedding& embedding = result[i];
    outcomes[index].when = when;
    if (embedding.error) {
      fail_text(index, *embedding.error, embedding.error_message);
      continue;
    }
    const double share = static_cast<double>(embedding.tokens) / static_cast<double>(tokens);
    outcomes[index] = {embedding.tokens, embedding.truncated, milliseconds * share, when};
    counters_.truncated += embedding.truncated;
    std::copy(embedding.dense.begin(), embedding.dense.end(), matrix.values.begin() + index * matrix.dimensions);
  }
  counters_.tokens += tokens;
  counters_.computed += batch.size();
  counters_.batches++;
  generator_.tell(EventLevel::debug, "batch_completed",
                  fmt::format("{} texts, {} tokens in {:.1f} ms", batch.size(), tokens, milliseconds),
                  {{"texts", static_cast<int64_t>(batch.size())},
                   {"tokens", static_cast<int64_t>(tokens)},
                   {"milliseconds", milliseconds}});
}

void Call::fail_text(size_t index, ErrorCode code, std::string reason) {
  failures_.push_back({index, code, std::move(reason)});
  counters_.failed++;
}

// Tells of the failures that are new, or throws the first.
void Call::settle_failures() {
  for (; told_failures_ < failures_.size(); told_failures_++) {
    const TextFailure& failure = failures_[told_failures_];
    if (raise_) fail<InferenceError>(failure.code, "text {}: {}", failure.index, failure.reason);
    generator_.tell(EventLevel::warning, "text_failed",
                    fmt::format("text {}: {}; its vector is zero", failure.index, failure.reason),
                    {{"index", static_cast<int64_t>(failure.index)},
                     {"code", std::string(to_string(failure.code))},
                     {"reason", failure.reason}});
  }
}

std::vector<std::string_view> views_of(std::span<const std::string> texts) { return {texts.begin(), texts.end()}; }

}  // namespace

EmbeddingGenerator::EmbeddingGenerator(EmbeddingConfig config, EventHandler on_event)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(on_event))) {}
EmbeddingGenerator::~EmbeddingGenerator() = default;
EmbeddingGenerator::EmbeddingGenerator(EmbeddingGenerator&&) noexcept = default;
EmbeddingGenerator& EmbeddingGenerator::operator=(EmbeddingGenerator&&) noexcept = default;

GeneratedEmbeddings EmbeddingGenerator::generate_embeddings(std::span<const TextChunk> chunks,
                                                            const CallOptions& options) {
  std::vector<std::string_view> texts;
  for (const TextChunk& chunk : chunks) texts.push_back(chunk.text);
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
                      .quality_score = score_vector(chunk.embedding_vector, chunk.text_content),
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
  stats.dtype = impl_->config.dtype;
  if (impl_->loaded) {
    stats.isa = impl_->loaded->embedder.info().isa;
    stats.threads = static_cast<size_t>(impl_->loaded->embedder.info().threads);
  }
  return stats;
}

void EmbeddingGenerator::clear_cache() {
  std::shared_ptr<const LoadedModel> model;  // freed outside the lock
  {
    const std::lock_guard lock(impl_->mutex);
    model.swap(impl_->loaded);
  }
  model.reset();
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
