#include "embedder/windows.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "embedder/request.h"
#include "kernels/float_mode.h"

namespace bgem3 {

std::vector<std::pair<size_t, size_t>> cut_windows(size_t tokens, size_t room) {
  const size_t step = room - room / 8;
  std::vector<std::pair<size_t, size_t>> windows = {{0, std::min(room, tokens)}};
  while (windows.back().second < tokens) {
    const size_t begin = windows.back().first + step;
    windows.emplace_back(begin, std::min(begin + room, tokens));
  }
  return windows;
}

WindowedRequest::WindowedRequest(Engine& engine, std::span<const std::string_view> texts, const EmbedOptions& options,
                                 const CheckedOptions& checked, EmbedResult& result)
    : engine_(engine), texts_(texts), options_(options), checked_(checked), result_(result), cut_texts_(texts.size()) {}

void WindowedRequest::run() {
  for (size_t index = 0; index < texts_.size(); index++) cut(index);
  size_t tokens = 0;
  for (const Text& text : cut_texts_) tokens += text.ids.size();
  const MemoryShare memory(engine_, request_bytes(windows_.size(), checked_) + tokens * sizeof(uint32_t),
                           fmt::format("a request of {} windows", windows_.size()));
  window_result_ = EmbedResult(windows_.size(), checked_.dimensions, true);
  EmbedOptions options = options_;
  options.on_result = [this](size_t index, const Embedding& window) { take(index, window); };
  options.on_progress = [this](size_t, size_t) { report_progress(); };
  Request(
      engine_, [this](size_t index) { return encode(windows_[index]); }, options, checked_, *window_result_)
      .run();
  report_progress();
}

// Tokenizes a text and gives it its windows, unless that fails.
void WindowedRequest::cut(size_t index) {
  Embedding& embedding = result_.embeddings_[index];
  Text& text = cut_texts_[index];
  text.first_window = windows_.size();
  EncodeOptions encode = checked_.encode;
  encode.max_tokens = SIZE_MAX;
  encode.add_special_tokens = false;
  try {
    if (options_.stop.stop_requested()) throw Stopped();
    Encoding encoding = engine_.tokenizer.encode(options_.prompt + std::string(texts_[index]), encode);
    const auto in_prompt = [&](const ByteRange& token) { return token.end <= options_.prompt.size(); };
    const auto first = std::ranges::find_if_not(encoding.offsets, in_prompt);
    if (!options_.prompt.empty()) text.prompt_tokens = static_cast<size_t>(first - encoding.offsets.begin());
    embedding.tokens = encoding.ids.size() + engine_.tokenizer.template_tokens();
    embedding.replaced_utf8 = encoding.replaced_utf8;
    text.ids = std::move(encoding.ids);
    const size_t around = engine_.tokenizer.template_tokens() + text.prompt_tokens;
    if (around >= checked_.encode.max_tokens) {
      fail<InvalidInputError>(ErrorCode::invalid_input,
                              "a window of {} tokens has no room for the text beside the {} of template and prompt",
                              checked_.encode.max_tokens, around);
    }
    for (const auto& [begin, end] :
         cut_windows(text.ids.size() - text.prompt_tokens, checked_.encode.max_tokens - around)) {
      windows_.push_back({index, text.prompt_tokens + begin, text.prompt_tokens + end});
    }
    text.left = embedding.windows = windows_.size() - text.first_window;
  } catch (const InvalidInputError& error) {
    embedding.error = error.code();
    embedding.error_message = error.what();
    finish(index);
  } catch (const Stopped&) {
    embedding.error = ErrorCode::cancelled;
    embedding.error_message = kCancelled;
    finish(index);
  }
}

Encoding WindowedRequest::encode(const Window& window) const {
  const Text& text = cut_texts_[window.text];
  const auto at = [&](size_t token) { return text.ids.begin() + static_cast<ptrdiff_t>(token); };
  std::vector<uint32_t> ids(at(0), at(text.prompt_tokens));
  ids.insert(ids.end(), at(window.begin), at(window.end));
  return {.ids = engine_.tokenizer.add_template(ids), .offsets = {}};
}

void WindowedRequest::take(size_t index, const Embedding& window) {
  const size_t text = windows_[index].text;
  Embedding& embedding = result_.embeddings_[text];
  if (window.error && !embedding.error) {
    embedding.error = window.error;
    embedding.error_message = window.error_message;
  }
  if (--cut_texts_[text].left > 0) return;
  if (!embedding.error) combine(text);
  finish(text);
}

// The mean of the windows' vectors, in the order of the windows whichever came first, so that the bits stay the same.
void WindowedRequest::combine(size_t index) {
  const size_t columns = checked_.dimensions, first = cut_texts_[index].first_window,
               count = result_.embeddings_[index].windows;
  const std::span<float> vector = std::span(result_.dense_).subspan(index * columns, columns);
  if (count == 1) {
    std::ranges::copy((*window_result_)[first].dense, vector.begin());
    return;
  }
  const FloatMode mode;
  std::vector<double> sum(columns, 0);
  size_t tokens = 0;
  for (size_t window = first; window < first + count; window++) {
    const size_t weight = windows_[window].end - windows_[window].begin;
    const std::span<const float> values = (*window_result_)[window].dense;
    for (size_t i = 0; i < columns; i++) sum[i] += static_cast<double>(weight) * static_cast<double>(values[i]);
    tokens += weight;
  }
  for (size_t i = 0; i < columns; i++) vector[i] = static_cast<float>(sum[i] / static_cast<double>(tokens));
  if (checked_.normalize) engine_.ops().normalize_row(vector.data(), columns);
}

void WindowedRequest::finish(size_t index) {
  done_++;
  if (options_.on_result) options_.on_result(index, result_.embeddings_[index]);
}

void WindowedRequest::report_progress() {
  if (done_ == reported_) return;
  reported_ = done_;
  if (options_.on_progress) options_.on_progress(done_, texts_.size());
}

}  // namespace bgem3
