#include "embedder/spans.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <limits>

#include "base/error.h"
#include "embedder/request.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace bgem3 {
namespace {

// Where the first character of a token lies that is not white space (a token may hold the space in front of its word);
// its end if there is none.
size_t first_text(std::string_view text, ByteRange token) {
  size_t at = token.begin;
  while (at < token.end) {
    if (at + utf8::length(text[at]) > token.end) break;  // ill-formed, and replaced
    const auto [value, length] = utf8::decode(text, at);
    if (!unicode::is(unicode::kWhiteSpace, value)) break;
    at += length;
  }
  return at;
}

}  // namespace

SpanRequest::SpanRequest(Engine& engine, std::string_view document, std::span<const ByteRange> spans,
                         const EmbedOptions& options, const CheckedOptions& checked, EmbedResult& result)
    : engine_(engine),
      document_bytes_(document.size()),
      text_(options.prompt + std::string(document)),
      spans_(spans),
      options_(options),
      checked_(checked),
      result_(result) {}

void SpanRequest::run() {
  for (size_t index = 0; index < spans_.size(); index++) {
    const auto [begin, end] = spans_[index];
    if (begin < end && end <= document_bytes_) continue;
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "span {}: bytes {} to {}, expected a part of the document's {} bytes that is not empty",
                            index, begin, end, document_bytes_);
  }
  const Encoding encoding = encode();
  find_rows(encoding);
  if (!rows_.empty()) compute(encoding);
  for (size_t index = 0; options_.on_result && index < spans_.size(); index++) {
    options_.on_result(index, result_.embeddings_[index]);
  }
  if (options_.on_progress && !spans_.empty()) options_.on_progress(spans_.size(), spans_.size());
}

// All tokens of the document, or an error: a part of it would be another context.
Encoding SpanRequest::encode() const {
  const size_t limit = checked_.encode.max_tokens;
  Encoding encoding = engine_.tokenizer.encode(text_, checked_.encode);
  if (encoding.truncated) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "the document has more than {} tokens, the most for one pass: cut it into documents that "
                            "fit, or embed its chunks as texts",
                            limit);
  }
  if (encoding.ids.size() > engine_.plan.longest) {
    fail<ResourceLimitError>(ErrorCode::overloaded,
                             "the document has {} tokens; the memory that max_memory allows is enough for {}: allow "
                             "more, or a smaller document",
                             encoding.ids.size(), engine_.plan.longest);
  }
  return encoding;
}

void SpanRequest::find_rows(const Encoding& encoding) {
  // Of each row its place in the document; the template has none. Places ascend, but for what normalisation has
  // reordered, which goes with the token in front.
  const size_t prompt_bytes = options_.prompt.size();
  std::vector<size_t> rows, places;
  for (size_t row = 0; row < encoding.ids.size(); row++) {
    const ByteRange& token = encoding.offsets[row];
    if (token.end <= prompt_bytes) continue;
    const size_t place = first_text(text_, token);
    if (place < prompt_bytes) continue;
    rows.push_back(row);
    places.push_back(std::max(place - prompt_bytes, places.empty() ? 0 : places.back()));
  }
  for (size_t index = 0; index < spans_.size(); index++) {
    const auto row_of = [&](size_t byte) { return std::ranges::lower_bound(places, byte) - places.begin(); };
    const auto first = row_of(spans_[index].begin), last = row_of(spans_[index].end);
    result_.embeddings_[index].tokens = static_cast<size_t>(last - first);
    if (first == last) {
      set_error(index, ErrorCode::invalid_input, "the span has no tokens");
      continue;
    }
    indices_.push_back(index);
    rows_.push_back({rows[static_cast<size_t>(first)], rows[static_cast<size_t>(last) - 1] + 1});
  }
}

void SpanRequest::compute(const Encoding& encoding) {
  const size_t columns = checked_.dimensions;
  Batch batch;
  batch.add(encoding.ids);
  std::vector<float> vectors(rows_.size() * columns);
  std::promise<void> promise;
  std::future<void> ended = promise.get_future();
  const size_t tokens = batch.tokens();
  const JobKind kind = schedule(std::span(&tokens, 1), engine_.plan.passes, Part::whole).front().kind;
  JobQueue queue(engine_.pool, options_.stop);
  queue.add({{kind, [&](Team& team) {
                try {
                  if (options_.stop.stop_requested()) throw Stopped();
                  engine_.compute(kind, batch, checked_, team,
                                  {.dense = {vectors.data(), rows_.size(), columns, columns}, .spans = rows_});
                  promise.set_value();
                } catch (...) {
                  promise.set_exception(std::current_exception());
                }
              }}});
  while (ended.wait_for(kWaitInterval) != std::future_status::ready) {
    if (options_.on_wait) options_.on_wait();
  }
  try {
    ended.get();
  } catch (const Stopped&) {
    for (const size_t index : indices_) set_error(index, ErrorCode::cancelled, kCancelled);
    return;
  }
  for (size_t i = 0; i < indices_.size(); i++) {
    const std::span<const float> vector = std::span<const float>(vectors).subspan(i * columns, columns);
    if (std::ranges::all_of(vector, [](float value) { return std::isfinite(value); })) {
      std::ranges::copy(vector, result_.dense_.begin() + static_cast<ptrdiff_t>(indices_[i] * columns));
    } else {
      set_error(indices_[i], ErrorCode::internal, kNotFinite);
    }
  }
}

void SpanRequest::set_error(size_t index, ErrorCode code, const std::string& message) {
  result_.embeddings_[index].error = code;
  result_.embeddings_[index].error_message = message;
}

}  // namespace bgem3
