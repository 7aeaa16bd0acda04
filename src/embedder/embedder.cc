#include "bgem3/embedder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <new>
#include <optional>

#include "base/error.h"
#include "base/thread_pool.h"
#include "embedder/open.h"
#include "embedder/scheduler.h"
#include "encoder/encoder.h"
#include "encoder/heads.h"
#include "kernels/ops.h"

namespace bgem3 {
namespace {

// Large enough that reading the weights costs a percent of a pass, small enough for 100 MB of buffers at bge-m3's size.
constexpr size_t kPassTokens = 2048;

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

void set_error(Embedding& embedding, ErrorCode code, std::string message) {
  embedding.error = code;
  embedding.error_message = std::move(message);
}

}  // namespace

EmbedResult::EmbedResult(size_t texts, size_t dimensions)
    : dimensions_(dimensions), dense_(texts * dimensions, std::numeric_limits<float>::quiet_NaN()), embeddings_(texts) {
  for (size_t i = 0; i < texts; i++) embeddings_[i].dense = std::span(dense_).subspan(i * dimensions, dimensions);
}

struct Embedder::Impl {
  Tokenizer tokenizer;
  ModelInfo info;
  const Ops& ops;
  size_t pass_tokens;
  Precision precision;
  ThreadPool pool;
  Team team;
  Encoder encoder;
  std::mutex pass_mutex;               // guards what is below, the pool and the encoder: one pass at a time
  std::optional<Workspace> workspace;  // made by the first pass, and again for a longer one

  Impl(OpenedModel opened, const OpenOptions& options)
      : tokenizer(std::move(*opened.tokenizer)),
        info(std::move(opened.info)),
        ops(ops_for(info.isa)),
        pass_tokens(options.pass_tokens ? options.pass_tokens : kPassTokens),
        precision(parse_precision(info.dtype)),
        pool(info.threads),
        team(pool),
        encoder(load_packed_model(opened, tokenizer, info, team), ops) {}

  // What a request asks for, with the model's own choice where it asks for nothing.
  struct Request {
    size_t dimensions;
    Pooling pooling;
    bool normalize;
    EncodeOptions encode;
  };
  Request check(const EmbedOptions& options) const;
  void tokenize(std::string_view text, const EmbedOptions& options, const Request& request, Embedding& embedding,
                std::vector<uint32_t>& ids) const;
  // The vectors of the batch's texts: [batch.texts(), out.columns].
  void run_pass(const Batch& batch, const Request& request, View<float> out);
  EmbedResult embed(std::span<const std::string_view> texts, const EmbedOptions& options);
};

Embedder::Impl::Request Embedder::Impl::check(const EmbedOptions& options) const {
  const ModelConfig& config = info.config;
  if (options.truncate_dim > config.hidden) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "truncate_dim: {}, expected at most {}, the model's dimensions",
                            options.truncate_dim, config.hidden);
  }
  if (options.max_tokens > config.max_tokens) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "max_tokens: {}, expected at most {}, the model's limit",
                            options.max_tokens, config.max_tokens);
  }
  // One more than the template: an empty text is served, any other text keeps at least one token.
  if (options.max_tokens != 0 && options.max_tokens <= tokenizer.template_tokens()) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "max_tokens: {}, expected more than the {} tokens around every text", options.max_tokens,
                            tokenizer.template_tokens());
  }
  return {.dimensions = options.truncate_dim ? options.truncate_dim : config.hidden,
          .pooling = options.pooling.value_or(config.pooling),
          .normalize = options.normalize.value_or(config.normalize),
          .encode = {.max_tokens = options.max_tokens ? options.max_tokens : config.max_tokens,
                     .special_tokens_in_text = options.special_tokens_in_text,
                     .invalid_utf8 = options.invalid_utf8}};
}

void Embedder::Impl::tokenize(std::string_view text, const EmbedOptions& options, const Request& request,
                              Embedding& embedding, std::vector<uint32_t>& ids) const {
  try {
    Encoding encoding = options.prompt.empty() ? tokenizer.encode(text, request.encode)
                                               : tokenizer.encode(options.prompt + std::string(text), request.encode);
    embedding.truncated = encoding.truncated;
    embedding.replaced_utf8 = encoding.replaced_utf8;
    if (encoding.ids.empty()) {  // only a tokenizer without a template gets here
      set_error(embedding, ErrorCode::invalid_input, "the text has no tokens");
      return;
    }
    embedding.tokens = encoding.ids.size();
    ids = std::move(encoding.ids);
  } catch (const InvalidInputError& error) {
    set_error(embedding, error.code(), error.what());
  }
}

void Embedder::Impl::run_pass(const Batch& batch, const Request& request, View<float> out) {
  const std::lock_guard lock(pass_mutex);
  if (!workspace || !workspace->fits(batch)) {
    const size_t tokens = std::max({batch.tokens(), pass_tokens, workspace ? workspace->tokens : 0});
    const size_t longest = std::max(batch.longest(), workspace ? workspace->longest : 0);
    workspace.reset();  // free the old buffers before the new ones are made
    workspace.emplace(info.config, precision, tokens, longest, pool.threads());
  }
  const TokenRows wanted = request.pooling == Pooling::cls ? TokenRows::first : TokenRows::all;
  const View<const float> hidden = encoder.forward(batch, *workspace, team, wanted);
  dense_head(hidden, batch, request.pooling, request.normalize, ops, out);
}

EmbedResult Embedder::Impl::embed(std::span<const std::string_view> texts, const EmbedOptions& options) {
  const Request request = check(options);
  EmbedResult result(texts.size(), request.dimensions);
  std::vector<Embedding>& embeddings = result.embeddings_;
  size_t done = 0;
  const auto finished = [&](size_t index) {
    done++;
    if (options.on_result) options.on_result(index, embeddings[index]);
  };
  const auto cancel = [&](size_t index) {
    set_error(embeddings[index], ErrorCode::cancelled, "cancelled before this text was computed");
    finished(index);
  };

  std::vector<std::vector<uint32_t>> ids(texts.size());
  std::vector<size_t> tokens(texts.size());
  for (size_t i = 0; i < texts.size(); i++) {
    if (options.stop.stop_requested()) {
      cancel(i);
      continue;
    }
    tokenize(texts[i], options, request, embeddings[i], ids[i]);
    tokens[i] = ids[i].size();
    if (embeddings[i].error) finished(i);
  }

  std::vector<float> vectors;
  for (const std::vector<size_t>& pass : schedule(tokens, pass_tokens)) {
    if (options.stop.stop_requested()) {
      for (const size_t index : pass) cancel(index);
      continue;
    }
    Batch batch;
    for (const size_t index : pass) batch.add(ids[index]);
    vectors.resize(pass.size() * request.dimensions);
    run_pass(batch, request, {vectors.data(), pass.size(), request.dimensions, request.dimensions});
    for (size_t i = 0; i < pass.size(); i++) {
      const auto vector = std::span(vectors).subspan(i * request.dimensions, request.dimensions);
      if (all_finite(vector)) {
        std::copy(vector.begin(), vector.end(),
                  result.dense_.begin() + static_cast<ptrdiff_t>(pass[i] * request.dimensions));
      } else {
        set_error(embeddings[pass[i]], ErrorCode::internal,
                  "the vector has values that are not finite; the model's weights may be damaged or too large for f32");
      }
      finished(pass[i]);
    }
    if (options.on_progress) options.on_progress(done, texts.size());
  }
  return result;
}

Embedder::Embedder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Embedder::Embedder(Embedder&&) noexcept = default;
Embedder& Embedder::operator=(Embedder&&) noexcept = default;
Embedder::~Embedder() = default;

Embedder Embedder::open(const OpenOptions& options) {
  try {
    return Embedder(std::make_unique<Impl>(open_model(options), options));
  } catch (const std::bad_alloc&) {
    fail<ResourceLimitError>(ErrorCode::overloaded, "{}: out of memory while loading the model", options.model);
  }
}

EmbedResult Embedder::embed(std::span<const std::string_view> texts, const EmbedOptions& options) const {
  try {
    return impl_->embed(texts, options);
  } catch (const std::bad_alloc&) {
    fail<ResourceLimitError>(ErrorCode::overloaded, "out of memory while embedding {} texts: pass fewer at a time",
                             texts.size());
  }
}

EmbedResult Embedder::embed(std::span<const std::string> texts, const EmbedOptions& options) const {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return embed(std::span<const std::string_view>(views), options);
}

std::vector<float> Embedder::embed_one(std::string_view text, const EmbedOptions& options) const {
  const EmbedResult result = embed(std::span(&text, 1), options);
  const Embedding& embedding = result[0];
  if (embedding.error == ErrorCode::invalid_input) throw InvalidInputError(*embedding.error, embedding.error_message);
  if (embedding.error) throw InferenceError(*embedding.error, embedding.error_message);
  return {embedding.dense.begin(), embedding.dense.end()};
}

const Tokenizer& Embedder::tokenizer() const { return impl_->tokenizer; }
const ModelInfo& Embedder::info() const { return impl_->info; }

}  // namespace bgem3
