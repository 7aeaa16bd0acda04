// What a long run says on standard error: a bar on a terminal, a line every ten seconds elsewhere, and messages.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bgem3/hub.h"

namespace bgem3::cli {

struct ProgressState {
  uint64_t texts = 0;
  uint64_t tokens = 0;
  uint64_t bytes = 0;                   // of the input, done
  std::optional<uint64_t> bytes_total;  // of the input; unknown for pipes
  double seconds = 0;
};

// "1,234 texts, 12.3/s, 4,567 tokens/s, 45 %, 0:12 left", without what is unknown.
std::string describe_progress(const ProgressState& state);
// "[#####-----] " and the above, at most `width` characters.
std::string progress_bar(const ProgressState& state, size_t width);
// The same of a download: "1.02 of 2.29 GB, 45 %, 35.1 MB/s, 0:36 left".
std::string describe_download(const PullProgress& state);
std::string download_bar(const PullProgress& state, size_t width);
std::string format_count(uint64_t count);                   // 1,234,567
std::string plural(uint64_t count, std::string_view noun);  // 1 text, 1,234 texts
std::string format_duration(double seconds);                // 1:02:03, 2:03
std::string format_bytes(uint64_t bytes);                   // 687 bytes, 17.1 MB, 2.27 GB (powers of 1,000)

// One for a run. Nothing is drawn in the first second, nor ever if `quiet`; messages always appear.
class Progress {
 public:
  // `bar`: draw on one line of the terminal. False if standard error is no terminal, or results go to it.
  Progress(bool quiet, bool bar);
  ~Progress() { clear(); }

  void update(const ProgressState& state);
  void update(const PullProgress& state);
  // One line of text for people, "bgem3: " in front, made safe for a terminal.
  void message(std::string_view text);
  // Removes the bar.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool is_due() const { return !quiet_ && Clock::now() >= next_; }
  void draw(std::string_view line);
  void say(std::string_view line);

  bool quiet_;
  bool bar_;
  bool drawn_ = false;
  Clock::time_point next_;
};

// True if standard error is a terminal that can redraw a line.
bool can_draw();

}  // namespace bgem3::cli
