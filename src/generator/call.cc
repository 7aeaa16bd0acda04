// Texts that are remembered are answered first; the others are cut into batches of batch_size texts, which the engine
// computes one after the other. What is known of each text stands in a slot in the caller's order.
#include "generator/call.h"

#include <algorithm>
#include <new>

#include "base/error.h"
#include "bgem3/version.h"
#include "generator/config.h"
#include "generator/quality.h"

namespace bgem3 {
namespace {

// Of a call for each text, beside its vector and the text itself: its slot, its ChunkEmbedding with the strings in it.
constexpr size_t kBytesOfText = 768;
constexpr double kBytesOfGib = 1 << 30;

}  // namespace

Call::Call(EmbeddingGenerator::Impl& generator, std::span<const std::string_view> texts, int64_t batch_size,
           const CallOptions& options, OnMemory on_memory)
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

Call::~Call() {
  if (began_) counters_.seconds = seconds_since(*began_);
  const std::lock_guard lock(generator_.mutex);
  generator_.counters.add(counters_);
  generator_.failures = std::move(failures_);
}

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
  check_limits();
  model = generator_.load();
  began_ = Clock::now();
  embed_.max_tokens = generator_.max_tokens(*model);
  embed_.normalize = config_.normalize_embeddings;
  embed_.special_tokens_in_text = config_.special_tokens_in_text;
  embed_.stop = options_.stop;
  embed_.on_wait = options_.on_wait;
  check_tokens();
  make_room();
  compute_all(texts_to_compute());
  generator_.tell_of_cache();
  if (generator_.history && !texts_.empty()) write_history();
  const double seconds = seconds_since(*began_);
  generator_.tell(EventLevel::info, "call_completed",
                  fmt::format("{} texts in {:.3f} s, {} tokens, {} failed", texts_.size(), seconds, counters_.tokens,
                              failures_.size()),
                  {{"texts", static_cast<int64_t>(texts_.size())},
                   {"seconds", seconds},
                   {"tokens", static_cast<int64_t>(counters_.tokens)},
                   {"failed", static_cast<int64_t>(failures_.size())}});
}

// Reserves and allocates the results, before any work.
void Call::make_room() {
  const size_t dimensions = model->embedder.info().config.hidden;
  size_t text_bytes = 0;
  for (const std::string_view text : texts_) text_bytes += text.size();
  memory_ = model->embedder.reserve(texts_.size() * (dimensions * sizeof(float) + kBytesOfText) + text_bytes,
                                    fmt::format("the result of {} texts", texts_.size()));
  try {
    matrix = {texts_.size(), dimensions, std::vector<float>(texts_.size() * dimensions)};
    outcomes.resize(texts_.size());
    if (generator_.cache) keys_.resize(texts_.size());
  } catch (const std::bad_alloc&) {
    fail<ResourceLimitError>(ErrorCode::overloaded, "out of memory for the vectors of {} texts: pass fewer at a time",
                             texts_.size());
  }
}

// Those that are neither too large nor remembered.
std::vector<size_t> Call::texts_to_compute() {
  if (generator_.cache) {
    context_ = fmt::format("{} {} {} {} {} {}", BGEM3_VERSION, model->digest,
                           to_string(model->embedder.info().config.pooling), embed_.max_tokens,
                           config_.normalize_embeddings, config_.special_tokens_in_text == SpecialTokensInText::match);
  }
  const size_t most = static_cast<size_t>(config_.max_text_bytes);
  std::vector<size_t> wanted;
  for (size_t i = 0; i < texts_.size(); i++) {
    if (most != 0 && texts_[i].size() > most) {
      fail_text(i, ErrorCode::overloaded,
                fmt::format("max_text_bytes: the text has {} bytes, at most {} are allowed", texts_[i].size(), most));
    } else if (!recall(i)) {
      wanted.push_back(i);
    }
  }
  counters_.texts = texts_.size() - wanted.size();
  settle_failures();
  return wanted;
}

void Call::compute_all(std::span<const size_t> wanted) {
  size_t size = batch_size_;
  for (size_t at = 0; at < wanted.size();) {
    const auto batch = wanted.subspan(at, std::min(size, wanted.size() - at));
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
}

// A remembered vector takes the text's place among those to compute.
bool Call::recall(size_t index) {
  if (!generator_.cache) return false;
  const auto begin = Clock::now();
  keys_[index] = cache_key(context_, texts_[index]);
  const std::optional<CachedEmbedding> found = generator_.cache->find(keys_[index]);
  if (!found || found->vector.size() != matrix.dimensions) {
    counters_.cache_misses++;
    return false;
  }
  counters_.cache_hits++;
  settle(index, found->vector,
         {.tokens = found->tokens,
          .truncated = found->truncated,
          .milliseconds = seconds_since(begin) * 1000,
          .when = std::chrono::system_clock::now()});
  return true;
}

void Call::settle(size_t index, std::span<const float> vector, const Outcome& outcome) {
  std::copy(vector.begin(), vector.end(), matrix.values.begin() + index * matrix.dimensions);
  outcomes[index] = outcome;
  outcomes[index].quality = score_vector(vector, texts_[index]);
  counters_.truncated += outcome.truncated;
}

void Call::compute(std::span<const size_t> batch) {
  const auto begin = Clock::now();
  std::vector<std::string_view> texts;
  for (const size_t index : batch) texts.push_back(texts_[index]);
  const EmbedResult result = model->embedder.embed(texts, embed_);
  const double milliseconds = seconds_since(begin) * 1000;
  const auto when = std::chrono::system_clock::now();

  std::vector<EmbeddingCache::Entry> fresh;
  size_t tokens = 0;
  for (const Embedding& embedding : result) tokens += embedding.error ? 0 : embedding.tokens;
  for (size_t i = 0; i < batch.size(); i++) {
    const size_t index = batch[i];
    const Embedding& embedding = result[i];
    if (embedding.error) {
      fail_text(index, *embedding.error, embedding.error_message);
      continue;
    }
    const double share = static_cast<double>(embedding.tokens) / static_cast<double>(tokens);
    settle(index, embedding.dense,
           {.tokens = embedding.tokens,
            .truncated = embedding.truncated,
            .milliseconds = milliseconds * share,
            .when = when});
    if (generator_.cache) {
      fresh.push_back(
          {keys_[index], {{embedding.dense.begin(), embedding.dense.end()}, embedding.tokens, embedding.truncated}});
    }
  }
  if (generator_.cache) generator_.cache->store(std::move(fresh));
  counters_.tokens += tokens;
  counters_.computed += batch.size();
  counters_.batches++;
  generator_.tell(EventLevel::debug, "batch_completed",
                  fmt::format("{} texts, {} tokens in {:.1f} ms", batch.size(), tokens, milliseconds),
                  {{"texts", static_cast<int64_t>(batch.size())},
                   {"tokens", static_cast<int64_t>(tokens)},
                   {"milliseconds", milliseconds}});
}

void Call::write_history() const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const double seconds = seconds_since(*began_);
  double quality = 0;
  for (const Outcome& outcome : outcomes) quality += outcome.quality;
  const std::string problem =
      generator_.history->add({.time = std::chrono::duration<double>(now).count(),
                               .model_version = model->version,
                               .dtype = public_dtype(config_.dtype),
                               .texts = texts_.size(),
                               .tokens = counters_.tokens,
                               .seconds = seconds,
                               .tokens_per_second = static_cast<double>(counters_.tokens) / seconds,
                               .mean_quality = quality / static_cast<double>(texts_.size()),
                               .failures = counters_.failed,
                               .peak_memory_gb = static_cast<double>(peak_resident_bytes()) / kBytesOfGib});
  if (!problem.empty()) generator_.tell(EventLevel::warning, "history_failed", problem);
}

void Call::fail_text(size_t index, ErrorCode code, std::string reason) {
  failures_.push_back({index, code, std::move(reason)});
  outcomes[index].when = std::chrono::system_clock::now();
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

}  // namespace bgem3
