// Texts of any length, computed in windows that fit the model. Start at WindowedRequest::run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "bgem3/embedder.h"
#include "bgem3/options.h"
#include "embedder/engine.h"

namespace bgem3 {

// Where windows begin and end: [begin, end) of `tokens` tokens, each of at most `room`, which repeats the last eighth
// of the one before. The last one ends with the tokens. One window if they fit, also for none.
std::vector<std::pair<size_t, size_t>> cut_windows(size_t tokens, size_t room);

// A request with LongText::windows: as Request, but its texts become windows first.
class WindowedRequest {
 public:
  // As Request's: everything must outlive it.
  WindowedRequest(Engine& engine, std::span<const std::string_view> texts, const EmbedOptions& options,
                  const CheckedOptions& checked, EmbedResult& result);

  // As Request::run.
  void run();

 private:
  struct Text {
    std::vector<uint32_t> ids;  // without the template; the prompt's come first
    size_t prompt_tokens = 0;
    size_t first_window = 0;
    size_t left = 0;  // windows that are not computed yet
  };
  struct Window {
    size_t text, begin, end;  // of its ids
  };

  void cut(size_t index);
  Encoding encode(const Window& window) const;
  void take(size_t index, const Embedding& window);
  void combine(size_t index);
  void finish(size_t index);
  void report_progress();

  Engine& engine_;
  const std::span<const std::string_view> texts_;
  const EmbedOptions& options_;
  const CheckedOptions& checked_;
  EmbedResult& result_;
  std::vector<Text> cut_texts_;  // [texts]
  std::vector<Window> windows_;
  std::optional<EmbedResult> window_result_;
  size_t done_ = 0, reported_ = 0;
};

}  // namespace bgem3
