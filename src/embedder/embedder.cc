#include "bgem3/embedder.h"

#include <limits>
#include <new>

#include "base/error.h"
#include "embedder/engine.h"
#include "embedder/open.h"
#include "embedder/request.h"
#include "embedder/spans.h"
#include "embedder/windows.h"

namespace bgem3 {

EmbedResult::EmbedResult(size_t texts, size_t dimensions, bool dense)
    : dimensions_(dimensions),
      dense_(dense ? texts * dimensions : 0, std::numeric_limits<float>::quiet_NaN()),
      embeddings_(texts) {
  if (!dense) return;
  for (size_t i = 0; i < texts; i++) embeddings_[i].dense = std::span(dense_).subspan(i * dimensions, dimensions);
}

struct Embedder::Impl {
  Engine engine;

  Impl(OpenedModel opened, const OpenOptions& options) : engine(std::move(opened), options) {}
  CheckedOptions check(const EmbedOptions& options) const;
  void check_head(bool missing, const char* output, const char* head) const;
  EmbedResult embed(std::span<const std::string_view> texts, const EmbedOptions& options);
  EmbedResult embed_spans(std::string_view document, std::span<const ByteRange> spans, const EmbedOptions& options);
};

void Embedder::Impl::check_head(bool missing, const char* output, const char* head) const {
  if (!missing) return;
  fail<InvalidInputError>(ErrorCode::unsupported,
                          "outputs: {} is not to be had: the model {} has no file {}.pt, and no tensors {}.weight and "
                          "{}.bias; take a model that has them, as BAAI/bge-m3, or add the file",
                          output, engine.info.folder, head, head, head);
}

CheckedOptions Embedder::Impl::check(const EmbedOptions& options) const {
  const ModelConfig& config = engine.info.config;
  if (options.truncate_dim > config.hidden) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "truncate_dim: {}, expected at most {}, the model's dimensions",
                            options.truncate_dim, config.hidden);
  }
  if (options.max_tokens > config.max_tokens) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "max_tokens: {}, expected at most {}, the model's limit",
                            options.max_tokens, config.max_tokens);
  }
  // One more than the template: an empty text is served, any other text keeps at least one token.
  if (options.max_tokens != 0 && options.max_tokens <= engine.tokenizer.template_tokens()) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "max_tokens: {}, expected more than the {} tokens around every text", options.max_tokens,
                            engine.tokenizer.template_tokens());
  }
  const Outputs& asked = options.outputs;
  if (!asked.dense && !asked.sparse && !asked.multi) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "outputs: none; ask for dense, sparse or multi");
  }
  if (options.long_text == LongText::windows && (asked.sparse || asked.multi)) {
    fail<InvalidInputError>(ErrorCode::unsupported,
                            "long_text: windows are for the dense output, expected outputs of dense alone");
  }
  check_head(asked.sparse && !engine.info.outputs.sparse, "sparse", "sparse_linear");
  check_head(asked.multi && !engine.info.outputs.multi, "multi", "colbert_linear");
  return {.outputs = asked,
          .dimensions = options.truncate_dim ? options.truncate_dim : config.hidden,
          .pooling = options.pooling.value_or(config.pooling),
          .normalize = options.normalize.value_or(config.normalize),
          .encode = {.max_tokens = options.max_tokens ? options.max_tokens : config.max_tokens,
                     .special_tokens_in_text = options.special_tokens_in_text,
                     .invalid_utf8 = options.invalid_utf8}};
}

EmbedResult Embedder::Impl::embed(std::span<const std::string_view> texts, const EmbedOptions& options) {
  const CheckedOptions checked = check(options);
  const MemoryShare memory(engine, request_bytes(texts.size(), checked),
                           fmt::format("a request of {} texts", texts.size()));
  EmbedResult result(texts.size(), checked.dimensions, checked.outputs.dense);
  if (options.long_text == LongText::windows) {
    WindowedRequest(engine, texts, options, checked, result).run();
    return result;
  }
  const auto encode = [&](size_t index) {
    if (options.prompt.empty()) return engine.tokenizer.encode(texts[index], checked.encode);
    return engine.tokenizer.encode(options.prompt + std::string(texts[index]), checked.encode);
  };
  Request(engine, encode, options, checked, result).run();
  return result;
}

EmbedResult Embedder::Impl::embed_spans(std::string_view document, std::span<const ByteRange> spans,
                                        const EmbedOptions& options) {
  const CheckedOptions checked = check(options);
  if (checked.outputs != Outputs()) {
    fail<InvalidInputError>(ErrorCode::unsupported, "outputs: spans have the dense output alone");
  }
  if (options.pooling == Pooling::cls || options.long_text == LongText::windows) {
    fail<InvalidInputError>(ErrorCode::unsupported,
                            "{}: has no meaning for spans, whose vectors are means over one pass; leave it out",
                            options.pooling == Pooling::cls ? "pooling: cls" : "long_text: windows");
  }
  const MemoryShare memory(engine, request_bytes(spans.size(), checked),
                           fmt::format("a request of {} spans", spans.size()));
  EmbedResult result(spans.size(), checked.dimensions, true);
  SpanRequest(engine, document, spans, options, checked, result).run();
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

EmbedResult Embedder::embed_spans(std::string_view document, std::span<const ByteRange> spans,
                                  const EmbedOptions& options) const {
  try {
    return impl_->embed_spans(document, spans, options);
  } catch (const std::bad_alloc&) {
    fail<ResourceLimitError>(ErrorCode::overloaded, "out of memory while embedding a document of {} bytes",
                             document.size());
  }
}

std::vector<float> Embedder::embed_one(std::string_view text, const EmbedOptions& options) const {
  EmbedOptions dense = options;
  dense.outputs = {};
  const EmbedResult result = embed(std::span(&text, 1), dense);
  const Embedding& embedding = result[0];
  if (embedding.error == ErrorCode::invalid_input) throw InvalidInputError(*embedding.error, embedding.error_message);
  if (embedding.error) throw InferenceError(*embedding.error, embedding.error_message);
  return {embedding.dense.begin(), embedding.dense.end()};
}

std::shared_ptr<const void> Embedder::reserve(size_t bytes, const std::string& what) const {
  return std::make_shared<const MemoryShare>(impl_->engine, bytes, what);
}

const Tokenizer& Embedder::tokenizer() const { return impl_->engine.tokenizer; }
const ModelInfo& Embedder::info() const { return impl_->engine.info; }

}  // namespace bgem3
