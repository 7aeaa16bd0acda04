// The functions of include/bgem3/bgem3.h. Each one converts, calls embedder.h, and converts back.
#include <initializer_list>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bgem3/bgem3.h"
#include "bgem3/embedder.h"
#include "c_api/guard.h"

using namespace bgem3;
using bgem3::c_api::guarded;
using bgem3::c_api::read_options;

struct bgem3_embedder {
  explicit bgem3_embedder(Embedder opened) : embedder(std::move(opened)) {
    const ModelInfo& model = embedder.info();
    info.name = model.name.c_str();
    info.folder = model.folder.c_str();
    info.revision = model.revision.c_str();
    info.dtype = model.dtype.c_str();
    info.isa = model.isa.c_str();
    info.tokenizer = model.tokenizer.c_str();
    info.default_prompt = model.default_prompt.c_str();
    info.dimensions = model.config.hidden;
    info.max_tokens = model.config.max_tokens;
    info.vocab_size = embedder.tokenizer().vocab_size();
    if (model.outputs.dense) info.outputs |= BGEM3_DENSE;
    if (model.outputs.sparse) info.outputs |= BGEM3_SPARSE;
    if (model.outputs.multi) info.outputs |= BGEM3_MULTI;
    info.threads = model.threads;
  }

  Embedder embedder;
  bgem3_info info = {};
};

struct bgem3_result {
  explicit bgem3_result(EmbedResult computed) : result(std::move(computed)) {
    embeddings.reserve(result.texts());
    for (const Embedding& from : result) {
      bgem3_embedding to = {};
      to.error = from.error ? c_api::status_of(*from.error) : BGEM3_OK;
      to.error_message = from.error_message.c_str();
      to.tokens = from.tokens;
      to.truncated = from.truncated;
      to.windows = from.windows;
      to.replaced_utf8 = from.replaced_utf8;
      to.dense = from.dense.data();
      to.sparse_ids = from.sparse_ids.data();
      to.sparse_weights = from.sparse_weights.data();
      to.sparse_size = from.sparse_ids.size();
      to.multi = from.multi.data();
      to.multi_rows = from.multi.empty() ? 0 : from.multi.size() / result.dimensions();
      embeddings.push_back(to);
    }
  }

  EmbedResult result;
  std::vector<bgem3_embedding> embeddings;
};

namespace {

struct OwnedTokens : bgem3_tokens {
  explicit OwnedTokens(Encoding encoding) : bgem3_tokens{}, ids_(std::move(encoding.ids)) {
    for (const ByteRange& range : encoding.offsets) offsets_.push_back({range.begin, range.end});
    ids = ids_.data();
    offsets = offsets_.data();
    size = ids_.size();
    truncated = encoding.truncated;
    replaced_utf8 = encoding.replaced_utf8;
  }

  std::vector<uint32_t> ids_;
  std::vector<bgem3_byte_range> offsets_;
};

[[noreturn]] void refuse(const std::string& message) { throw InvalidInputError(ErrorCode::invalid_input, message); }

// A pointer that must be there.
template <typename T>
T& given(T* pointer, const char* name) {
  if (!pointer) refuse(std::string(name) + " is NULL");
  return *pointer;
}

// The same for where a function puts what it makes: NULL until then.
template <typename T>
T*& cleared(T** place, const char* name) {
  given(place, name) = nullptr;
  return *place;
}

std::string string_or(const char* string, const char* otherwise) { return string ? string : otherwise; }

template <typename T>
T parse_choice(const char* option, const std::string& found, std::pair<const char*, T> one,
               std::pair<const char*, T> other) {
  if (found == one.first) return one.second;
  if (found == other.first) return other.second;
  refuse(std::string(option) + ": expected " + one.first + " or " + other.first + ", found '" + found + "'");
}

SpecialTokensInText parse_special_tokens(const char* name) {
  return parse_choice<SpecialTokensInText>("special_tokens_in_text", string_or(name, "match"),
                                           {"match", SpecialTokensInText::match},
                                           {"escape", SpecialTokensInText::escape});
}

InvalidUtf8 parse_invalid_utf8(const char* name) {
  return parse_choice<InvalidUtf8>("invalid_utf8", string_or(name, "error"), {"error", InvalidUtf8::error},
                                   {"replace", InvalidUtf8::replace});
}

Outputs parse_outputs(unsigned flags) {
  if (flags & ~(BGEM3_DENSE | BGEM3_SPARSE | BGEM3_MULTI)) {
    refuse("outputs: expected a sum of BGEM3_DENSE, BGEM3_SPARSE and BGEM3_MULTI, found " + std::to_string(flags));
  }
  if (flags == 0) return {};
  return {
      .dense = (flags & BGEM3_DENSE) != 0, .sparse = (flags & BGEM3_SPARSE) != 0, .multi = (flags & BGEM3_MULTI) != 0};
}

std::string_view view(const bgem3_text& text, const std::string& name) {
  if (!text.data && text.size_bytes > 0) {
    refuse(name + ": data is NULL, but size_bytes is " + std::to_string(text.size_bytes));
  }
  return text.data ? std::string_view(text.data, text.size_bytes) : std::string_view("");
}

EmbedOptions parse_embed_options(const bgem3_embed_options& from) {
  EmbedOptions to;
  to.outputs = parse_outputs(from.outputs);
  if (from.normalize < -1 || from.normalize > 1) {
    refuse("normalize: expected 1, -1 or 0, found " + std::to_string(from.normalize));
  }
  if (from.normalize != 0) to.normalize = from.normalize > 0;
  to.max_tokens = from.max_tokens;
  to.truncate_dim = from.truncate_dim;
  to.long_text = parse_choice<LongText>("long_text", string_or(from.long_text, "truncate"),
                                        {"truncate", LongText::truncate}, {"windows", LongText::windows});
  if (from.pooling) to.pooling = parse_pooling(from.pooling);
  to.prompt = string_or(from.prompt, "");
  to.special_tokens_in_text = parse_special_tokens(from.special_tokens_in_text);
  to.invalid_utf8 = parse_invalid_utf8(from.invalid_utf8);
  return to;
}

// What a request of `count` texts gives, with the caller's options and on_progress.
template <typename Embed>
bgem3_result* compute(const bgem3_embed_options* options, size_t count, const Embed& embed) {
  const bgem3_embed_options from = read_options(options, "bgem3_embed_options");
  EmbedOptions to = parse_embed_options(from);
  std::stop_source stop;
  size_t texts_done = 0;
  const auto report = [&] {
    if (from.on_progress(from.context, texts_done, count) != 0) stop.request_stop();
  };
  if (from.on_progress) {
    to.stop = stop.get_token();
    to.on_wait = report;
    to.on_progress = [&](size_t done, size_t) {
      texts_done = done;
      report();
    };
  }
  return new bgem3_result(embed(to));
}

}  // namespace

const char* bgem3_status_name(bgem3_status status) {
  if (status == BGEM3_OK) return "ok";
  for (const ErrorCode code :
       {ErrorCode::invalid_input, ErrorCode::not_found, ErrorCode::corrupt, ErrorCode::unsupported, ErrorCode::io,
        ErrorCode::overloaded, ErrorCode::cancelled, ErrorCode::internal}) {
    if (c_api::status_of(code) == status) return to_string(code);
  }
  return "unknown";
}

const char* bgem3_last_error(void) { return c_api::last_error(); }

const char* bgem3_version(void) { return BGEM3_VERSION; }

bgem3_status bgem3_open(const bgem3_open_options* options, bgem3_embedder** embedder) {
  return guarded([&] {
    bgem3_embedder*& place = cleared(embedder, "embedder");
    const bgem3_open_options from = read_options(options, "bgem3_open_options");
    OpenOptions to;
    to.model = string_or(from.model, to.model.c_str());
    to.dtype = string_or(from.dtype, to.dtype.c_str());
    to.isa = string_or(from.isa, to.isa.c_str());
    to.threads = from.threads;
    to.pass_tokens = from.pass_tokens;
    to.max_memory_bytes = from.max_memory_bytes;
    to.packed_cache = from.no_packed_cache == 0;
    to.cache_dir = string_or(from.cache_dir, "");
    to.hash_files = from.hash_files != 0;
    place = new bgem3_embedder(Embedder::open(to));
  });
}

void bgem3_embedder_free(bgem3_embedder* embedder) { delete embedder; }

const bgem3_info* bgem3_embedder_info(const bgem3_embedder* embedder) { return embedder ? &embedder->info : nullptr; }

const char* bgem3_find_prompt(const bgem3_embedder* embedder, const char* name) {
  const char* found = nullptr;
  const bgem3_status status = guarded([&] {
    const auto& prompts = given(embedder, "embedder").embedder.info().prompts;
    const auto prompt = prompts.find(&given(name, "name"));
    if (prompt != prompts.end()) found = prompt->second.c_str();
  });
  return status == BGEM3_OK ? found : nullptr;
}

bgem3_status bgem3_embed(const bgem3_embedder* embedder, const bgem3_text* texts, size_t count,
                         const bgem3_embed_options* options, bgem3_result** result) {
  return guarded([&] {
    bgem3_result*& place = cleared(result, "result");
    const Embedder& engine = given(embedder, "embedder").embedder;
    if (count > 0) given(texts, "texts");
    std::vector<std::string_view> views(count);
    for (size_t i = 0; i < count; i++) views[i] = view(texts[i], "text " + std::to_string(i));
    place = compute(options, count, [&](const EmbedOptions& to) { return engine.embed(views, to); });
  });
}

bgem3_status bgem3_embed_spans(const bgem3_embedder* embedder, bgem3_text document, const bgem3_byte_range* spans,
                               size_t count, const bgem3_embed_options* options, bgem3_result** result) {
  return guarded([&] {
    bgem3_result*& place = cleared(result, "result");
    const Embedder& engine = given(embedder, "embedder").embedder;
    if (count > 0) given(spans, "spans");
    std::vector<ByteRange> ranges(count);
    for (size_t i = 0; i < count; i++) ranges[i] = {spans[i].begin, spans[i].end};
    const std::string_view text = view(document, "document");
    place = compute(options, count, [&](const EmbedOptions& to) { return engine.embed_spans(text, ranges, to); });
  });
}

void bgem3_result_free(bgem3_result* result) { delete result; }

size_t bgem3_result_texts(const bgem3_result* result) { return result ? result->result.texts() : 0; }

size_t bgem3_result_dimensions(const bgem3_result* result) { return result ? result->result.dimensions() : 0; }

const float* bgem3_result_dense(const bgem3_result* result) {
  return result && !result->result.dense().empty() ? result->result.dense().data() : nullptr;
}

const bgem3_embedding* bgem3_result_embedding(const bgem3_result* result, size_t index) {
  return result && index < result->embeddings.size() ? &result->embeddings[index] : nullptr;
}

bgem3_status bgem3_tokenize(const bgem3_embedder* embedder, bgem3_text text, const bgem3_tokenize_options* options,
                            const bgem3_tokens** tokens) {
  return guarded([&] {
    const bgem3_tokens*& place = cleared(tokens, "tokens");
    const Tokenizer& tokenizer = given(embedder, "embedder").embedder.tokenizer();
    const bgem3_tokenize_options from = read_options(options, "bgem3_tokenize_options");
    EncodeOptions to;
    if (from.max_tokens > 0) to.max_tokens = from.max_tokens;
    to.add_special_tokens = from.no_special_tokens == 0;
    to.special_tokens_in_text = parse_special_tokens(from.special_tokens_in_text);
    to.invalid_utf8 = parse_invalid_utf8(from.invalid_utf8);
    place = new OwnedTokens(tokenizer.encode(view(text, "text"), to));
  });
}

void bgem3_tokens_free(const bgem3_tokens* tokens) { delete static_cast<const OwnedTokens*>(tokens); }

bgem3_status bgem3_token(const bgem3_embedder* embedder, uint32_t id, bgem3_text* token) {
  return guarded([&] {
    bgem3_text& place = given(token, "token") = {};
    const std::string_view string = given(embedder, "embedder").embedder.tokenizer().token(id);
    place = {string.data(), string.size()};
  });
}
