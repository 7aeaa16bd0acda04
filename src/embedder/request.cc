#include "embedder/request.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <utility>

#include "base/error.h"
#include "encoder/heads.h"

namespace bgem3 {
namespace {

// A portion of a request is tokenized, sorted and cut into passes as a whole. The first is small, so that work begins
// early; the others are large enough to sort well, and bound the memory of a huge request.
constexpr size_t kFirstPortionTokens = 8192;
constexpr size_t kPortionTokens = 65536;
constexpr size_t kPortionTexts = 16384;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

// Written by the caller's thread, then by the pass, then read by the caller's thread again.
struct Request::PassWork {
  JobKind kind;
  std::vector<size_t> texts;
  Batch batch;
  std::vector<bool> finite;           // [texts]
  std::vector<size_t> sparse_counts;  // [texts]: values of the sparse output
  bool stopped = false;
  std::exception_ptr error = nullptr;
};

Request::Request(Engine& engine, Encode encode, const EmbedOptions& options, const CheckedOptions& checked,
                 EmbedResult& result)
    : engine_(engine),
      encode_(std::move(encode)),
      options_(options),
      checked_(checked),
      result_(result),
      embeddings_(result.embeddings_),
      has_token_outputs_(checked.outputs.sparse || checked.outputs.multi),
      finished_(embeddings_.size(), false),
      queue_(engine.pool, options.stop) {}

Request::~Request() = default;

void Request::run() {
  bool first = true;
  for (size_t index = 0; index < embeddings_.size(); index++) {
    tokenize(index);
    if (has_token_outputs_) continue;
    collect(false);
    if (waiting_tokens_ >= (first ? kFirstPortionTokens : kPortionTokens) || waiting_.size() >= kPortionTexts) {
      if (index + 1 == embeddings_.size()) break;
      submit(Part::middle);
      first = false;
      while (tokens_in_passes_ > kPortionTokens) collect(true);
    }
  }
  if (has_token_outputs_) lay_out_tokens();
  submit(first ? Part::whole : Part::last);
  while (!passes_.empty()) collect(true);
  report_progress();
}

// Puts the text among those that wait, unless it has failed or its vector is known.
void Request::tokenize(size_t index) {
  if (options_.stop.stop_requested()) {
    set_error(index, ErrorCode::cancelled, kCancelled);
    return finish(index);
  }
  std::vector<uint32_t> ids;
  try {
    Encoding encoding = encode_(index);
    embeddings_[index].tokens = encoding.ids.size();
    embeddings_[index].truncated = encoding.truncated;
    embeddings_[index].replaced_utf8 = encoding.replaced_utf8;
    ids = std::move(encoding.ids);
  } catch (const InvalidInputError& error) {
    set_error(index, error.code(), error.what());
    return finish(index);
  }
  if (ids.empty()) {  // only a tokenizer without a template gets here
    set_error(index, ErrorCode::invalid_input, "the text has no tokens");
    return finish(index);
  }
  if (ids.size() > engine_.plan.longest) {
    set_error(index, ErrorCode::overloaded,
              fmt::format("the text has {} tokens; the memory that max_memory allows is enough for {}: allow more, or "
                          "a smaller max_tokens",
                          ids.size(), engine_.plan.longest));
    return finish(index);
  }
  if (is_computed_already(index, ids)) return;
  waiting_tokens_ += ids.size();
  waiting_.push_back({index, std::move(ids)});
}

// The ids of an earlier text are not kept, they are made again: this costs a ten thousandth of computing its vector.
bool Request::is_computed_already(size_t index, const std::vector<uint32_t>& ids) {
  const std::string_view bytes(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(uint32_t));
  const auto [found, inserted] = first_with_hash_.emplace(std::hash<std::string_view>()(bytes), index);
  if (inserted) return false;
  const size_t first = found->second;
  if (encode_(first).ids != ids) return false;
  if (finished_[first]) {
    followers_[first] = {index};
    finish(first);
  } else {
    followers_[first].push_back(index);
  }
  return true;
}

// Gives every text its place in the result's arrays, now that the tokens of all are known.
void Request::lay_out_tokens() {
  const auto has_outputs = [&](size_t index) { return !embeddings_[index].error && embeddings_[index].tokens > 0; };
  std::vector<size_t>& offsets = result_.multi_offsets_;
  sparse_starts_.resize(embeddings_.size());
  if (checked_.outputs.multi) offsets.assign(embeddings_.size() + 1, 0);
  size_t tokens = 0, rows = 0;
  for (size_t index = 0; index < embeddings_.size(); index++) {
    sparse_starts_[index] = tokens;
    if (has_outputs(index)) {
      tokens += embeddings_[index].tokens;
      rows += embeddings_[index].tokens - 1;
    }
    if (checked_.outputs.multi) offsets[index + 1] = rows;
  }
  tokens_memory_.emplace(engine_, token_outputs_bytes(tokens, rows, checked_),
                         fmt::format("the outputs of {} tokens", tokens));
  if (checked_.outputs.sparse) {
    result_.sparse_ids_.resize(tokens);
    result_.sparse_weights_.resize(tokens);
  }
  if (checked_.outputs.multi) result_.multi_.assign(rows * checked_.dimensions, kNaN);
}

void Request::submit(Part part) {
  std::vector<size_t> tokens(waiting_.size());
  for (size_t i = 0; i < waiting_.size(); i++) tokens[i] = waiting_[i].ids.size();
  std::vector<Job> jobs;
  for (Pass& pass : schedule(tokens, engine_.plan.passes, part)) {
    auto work = std::make_unique<PassWork>();
    work->kind = pass.kind;
    for (const size_t i : pass.texts) {
      work->texts.push_back(waiting_[i].index);
      work->batch.add(waiting_[i].ids);
      std::vector<uint32_t>().swap(waiting_[i].ids);
    }
    work->finite.resize(work->texts.size());
    work->sparse_counts.resize(work->texts.size());
    tokens_in_passes_ += work->batch.tokens();
    PassWork* const place = work.get();
    passes_.emplace(place, std::move(work));
    jobs.push_back({place->kind, [this, place](Team& team) { this->work(*place, team); }});
  }
  waiting_.clear();
  waiting_tokens_ = 0;
  if (jobs.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    ended_passes_.reserve(passes_.size());
  }
  queue_.add(std::move(jobs));
}

// On a thread of the pool. Its rows of the result are its own.
void Request::work(PassWork& pass, Team& team) {
  try {
    if (options_.stop.stop_requested()) throw Stopped();
    const Outputs& outputs = checked_.outputs;
    const size_t texts = pass.texts.size(), columns = checked_.dimensions;
    std::vector<float> dense(outputs.dense ? texts * columns : 0);
    std::vector<float> token_weights(outputs.sparse ? pass.batch.tokens() : 0);
    std::vector<float*> multi;
    for (const size_t text : pass.texts) multi.push_back(multi_of(text).data());
    engine_.compute(pass.kind, pass.batch, checked_, team,
                    {.dense = {dense.data(), texts, columns, columns}, .token_weights = token_weights, .multi = multi});
    for (size_t i = 0; i < texts; i++) {
      const size_t text = pass.texts[i], start = pass.batch.starts[i], tokens = pass.batch.starts[i + 1] - start;
      bool finite = true;
      if (outputs.dense) {
        const std::span<float> vector = dense_of(text);
        std::copy_n(dense.begin() + static_cast<ptrdiff_t>(i * columns), columns, vector.begin());
        finite = all_finite(vector);
      }
      if (outputs.sparse) {
        const auto weights = std::span<const float>(token_weights).subspan(start, tokens);
        finite = finite && all_finite(weights);
        pass.sparse_counts[i] =
            sparse_head(std::span(pass.batch.ids).subspan(start, tokens), weights, engine_.sparse_dropped,
                        std::span(result_.sparse_ids_).subspan(sparse_starts_[text], tokens),
                        std::span(result_.sparse_weights_).subspan(sparse_starts_[text], tokens));
      }
      finite = finite && all_finite(multi_of(text));
      if (!finite) {
        std::ranges::fill(dense_of(text), kNaN);
        std::ranges::fill(multi_of(text), kNaN);
      }
      pass.finite[i] = finite;
    }
  } catch (const Stopped&) {
    pass.stopped = true;
  } catch (...) {
    pass.error = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  ended_passes_.push_back(&pass);
  ended_.notify_one();
}

// Delivers the passes that have ended; waits for one if asked to.
void Request::collect(bool wait) {
  std::vector<PassWork*> ended;
  {
    std::unique_lock lock(mutex_);
    while (wait && !ended_.wait_for(lock, kWaitInterval, [&] { return !ended_passes_.empty(); })) {
      if (!options_.on_wait) continue;
      lock.unlock();
      options_.on_wait();
      lock.lock();
    }
    if (ended_passes_.empty()) return;
    ended = ended_passes_;  // a copy: the room stays
    ended_passes_.clear();
  }
  for (PassWork* const pass : ended) {
    const auto node = passes_.extract(pass);
    deliver(*pass);
    report_progress();
  }
}

void Request::deliver(const PassWork& pass) {
  if (pass.error) std::rethrow_exception(pass.error);
  tokens_in_passes_ -= pass.batch.tokens();
  for (size_t i = 0; i < pass.texts.size(); i++) {
    const size_t index = pass.texts[i];
    if (pass.stopped) {
      set_error(index, ErrorCode::cancelled, kCancelled);
    } else if (!pass.finite[i]) {
      set_error(index, ErrorCode::internal, kNotFinite);
    } else {
      show_tokens(index, pass.sparse_counts[i]);
    }
    finish(index);
  }
}

// Tells the caller of a text, if it does not know yet, and of those that wait for its vector.
void Request::finish(size_t index) {
  const auto tell = [&](size_t text) {
    finished_[text] = true;
    done_++;
    if (options_.on_result) options_.on_result(text, embeddings_[text]);
  };
  if (!finished_[index]) tell(index);
  const auto followers = followers_.extract(index);
  if (followers.empty()) return;
  for (const size_t follower : followers.mapped()) {
    copy_outputs(index, follower);
    embeddings_[follower].error = embeddings_[index].error;
    embeddings_[follower].error_message = embeddings_[index].error_message;
    tell(follower);
  }
}

// The places of a text in the result's arrays; empty for outputs that were not asked for.
std::span<float> Request::dense_of(size_t index) {
  if (!checked_.outputs.dense) return {};
  return std::span(result_.dense_).subspan(index * checked_.dimensions, checked_.dimensions);
}

std::span<float> Request::multi_of(size_t index) {
  if (!checked_.outputs.multi) return {};
  const size_t first = result_.multi_offsets_[index], rows = result_.multi_offsets_[index + 1] - first;
  return std::span(result_.multi_).subspan(first * checked_.dimensions, rows * checked_.dimensions);
}

void Request::show_tokens(size_t index, size_t sparse_count) {
  Embedding& embedding = embeddings_[index];
  embedding.multi = multi_of(index);
  if (!checked_.outputs.sparse) return;
  embedding.sparse_ids = std::span(result_.sparse_ids_).subspan(sparse_starts_[index], sparse_count);
  embedding.sparse_weights = std::span(result_.sparse_weights_).subspan(sparse_starts_[index], sparse_count);
}

void Request::copy_outputs(size_t from, size_t to) {
  std::ranges::copy(dense_of(from), dense_of(to).begin());
  if (!has_token_outputs_ || embeddings_[from].error) return;
  std::ranges::copy(multi_of(from), multi_of(to).begin());
  show_tokens(to, embeddings_[from].sparse_ids.size());
  if (!checked_.outputs.sparse) return;
  const auto place = static_cast<ptrdiff_t>(sparse_starts_[to]);
  std::ranges::copy(embeddings_[from].sparse_ids, result_.sparse_ids_.begin() + place);
  std::ranges::copy(embeddings_[from].sparse_weights, result_.sparse_weights_.begin() + place);
}

void Request::set_error(size_t index, ErrorCode code, std::string message) {
  embeddings_[index].error = code;
  embeddings_[index].error_message = std::move(message);
}

void Request::report_progress() {
  if (done_ == reported_) return;
  reported_ = done_;
  if (options_.on_progress) options_.on_progress(done_, embeddings_.size());
}

}  // namespace bgem3
