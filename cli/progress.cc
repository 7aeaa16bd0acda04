#include "progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "unicode.h"

namespace bgem3::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto kFirst = 1s;      // short runs draw nothing
constexpr auto kRedraw = 100ms;  // of the bar
constexpr auto kNextLine = 10s;  // where there is no bar
constexpr size_t kBarCells = 20;

// Standard error may be closed or full; that must not end the run.
void write_stderr(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = write(STDERR_FILENO, text.data(), text.size());
    if (count <= 0) return;
    text.remove_prefix(static_cast<size_t>(count));
  }
}

size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

double ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
}

double fraction(const ProgressState& state) { return ratio(state.bytes, state.bytes_total.value_or(0)); }

std::string cells(double done) {
  const auto full = static_cast<size_t>(done * kBarCells);
  return "[" + std::string(full, '#') + std::string(kBarCells - full, '-') + "] ";
}

}  // namespace

std::string format_count(uint64_t count) {
  std::string digits = std::to_string(count);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string plural(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", format_count(count), noun, count == 1 ? "" : "s");
}

std::string format_duration(double seconds) {
  const auto whole = static_cast<uint64_t>(std::max(0.0, seconds) + 0.5);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string describe_progress(const ProgressState& state) {
  std::string out = plural(state.texts, "text");
  if (state.seconds > 0 && state.texts > 0) {
    const double rate = static_cast<double>(state.texts) / state.seconds;
    out +=
        rate < 100 ? fmt::format(", {:.1f}/s", rate) : fmt::format(", {}/s", format_count(static_cast<uint64_t>(rate)));
    out += fmt::format(", {} tokens/s",
                       format_count(static_cast<uint64_t>(static_cast<double>(state.tokens) / state.seconds)));
  }
  if (state.bytes_total) {
    const double done = fraction(state);
    out += fmt::format(", {:.0f} %", 100 * done);
    if (done > 0) out += fmt::format(", {} left", format_duration(state.seconds * (1 - done) / done));
  }
  return out;
}

std::string progress_bar(const ProgressState& state, size_t width) {
  std::string out;
  if (state.bytes_total) out = cells(fraction(state));
  out += describe_progress(state);
  return out.substr(0, width);
}

std::string format_bytes(uint64_t bytes) {
  const auto number = static_cast<double>(bytes);
  if (bytes < 10'000) return plural(bytes, "byte");
  if (bytes < 10'000'000) return fmt::format("{:.0f} kB", number / 1e3);
  if (bytes < 1'000'000'000) return fmt::format("{:.1f} MB", number / 1e6);
  return fmt::format("{:.2f} GB", number / 1e9);
}

std::string describe_download(const PullProgress& state) {
  const double done = ratio(state.bytes_done, state.bytes_total);
  std::string out =
      fmt::format("{} of {}, {:.0f} %", format_bytes(state.bytes_done), format_bytes(state.bytes_total), 100 * done);
  if (state.seconds > 0 && state.bytes_transferred > 0) {
    const double rate = static_cast<double>(state.bytes_transferred) / state.seconds;
    out += fmt::format(", {:.1f} MB/s, {} left", rate / 1e6,
                       format_duration(static_cast<double>(state.bytes_total - state.bytes_done) / rate));
  }
  return out;
}

std::string download_bar(const PullProgress& state, size_t width) {
  return (cells(ratio(state.bytes_done, state.bytes_total)) + describe_download(state)).substr(0, width);
}

bool can_draw() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && terminal && std::string_view(terminal) != "dumb";
}

Progress::Progress(bool quiet, bool bar)
    : quiet_(quiet), bar_(bar), next_(Clock::now() + (bar ? Clock::duration(kFirst) : Clock::duration(kNextLine))) {}

void Progress::update(const ProgressState& state) {
  if (!is_due()) return;
  bar_ ? draw(progress_bar(state, terminal_width() - 1)) : say(describe_progress(state));
}

void Progress::update(const PullProgress& state) {
  if (!is_due()) return;
  bar_ ? draw(download_bar(state, terminal_width() - 1)) : say(describe_download(state));
}

void Progress::draw(std::string_view line) {
  write_stderr(fmt::format("\r\x1b[K{}", line));
  drawn_ = true;
  next_ = Clock::now() + kRedraw;
}

void Progress::say(std::string_view line) {
  message(line);
  next_ = Clock::now() + kNextLine;
}

void Progress::clear() {
  if (drawn_) write_stderr("\r\x1b[K");
  drawn_ = false;
}

void Progress::message(std::string_view text) {
  clear();
  write_stderr("bgem3: " + printable(text) + "\n");
}

}  // namespace bgem3::cli
