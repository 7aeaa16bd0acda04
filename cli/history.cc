// bgem3 history: the calls that a generator wrote down, the latest beside those before it.
#include "bgem3/history.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <iterator>

#include "commands.h"
#include "failure.h"
#include "json_writer.h"
#include "output.h"
#include "svg_plot.h"
#include "unicode.h"

namespace bgem3::cli {

namespace {

void append_row(JsonWriter& json, const HistoryRow& row) {
  json.begin_object().key("time").value(row.time).key("model_version").value(row.model_version);
  json.key("dtype").value(row.dtype).key("texts").value(row.texts).key("tokens").value(row.tokens);
  json.key("seconds").value(row.seconds).key("tokens_per_second").value(row.tokens_per_second);
  json.key("mean_quality").value(row.mean_quality).key("failures").value(row.failures);
  json.key("peak_memory_gb").value(row.peak_memory_gb).end_object();
}

void append_comparison(JsonWriter& json, const char* name, const HistoryComparison& comparison) {
  json.key(name).begin_object().key("latest").value(comparison.latest);
  json.key("median_before").value(comparison.median_before).key("ratio").value(comparison.ratio).end_object();
}

std::string to_json(std::span<const HistoryRow> rows, const std::optional<HistoryTrend>& trend) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("calls").begin_array();
  for (const HistoryRow& row : rows) append_row(json, row);
  json.end_array();
  if (trend) {
    json.key("latest").begin_object().key("calls_before").value(trend->calls_before);
    append_comparison(json, "tokens_per_second", trend->tokens_per_second);
    append_comparison(json, "mean_quality", trend->mean_quality);
    append_comparison(json, "peak_memory_gb", trend->peak_memory_gb);
    json.end_object();
  }
  json.end_object();
  return out + "\n";
}

std::string to_text(std::span<const HistoryRow> rows, const std::optional<HistoryTrend>& trend) {
  std::string out = fmt::format("{:<20} {:>8} {:>10} {:>9} {:>10} {:>8} {:>7} {:>8}  {}\n", "time (UTC)", "texts",
                                "tokens", "seconds", "tokens/s", "quality", "failed", "GiB", "model");
  for (const HistoryRow& row : rows) {
    const std::time_t time = static_cast<std::time_t>(row.time);
    fmt::format_to(std::back_inserter(out), "{:<20} {:>8} {:>10} {:>9.3f} {:>10.1f} {:>8.3f} {:>7} {:>8.3f}  {}\n",
                   fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(time)), row.texts, row.tokens, row.seconds,
                   row.tokens_per_second, row.mean_quality, row.failures, row.peak_memory_gb,
                   printable(row.model_version));
  }
  if (!trend) return out + "\nNo call before the latest has its model and dtype: nothing to compare.\n";
  fmt::format_to(std::back_inserter(out), "\nThe latest call beside the median of the {} before it of its kind\n",
                 trend->calls_before);
  const auto line = [&](const char* name, const HistoryComparison& comparison) {
    fmt::format_to(std::back_inserter(out), "{:<12} {:>10.3f} {:>10.3f} {:>8.1f} %\n", name, comparison.latest,
                   comparison.median_before, comparison.ratio * 100);
  };
  line("tokens/s", trend->tokens_per_second);
  line("quality", trend->mean_quality);
  line("peak GiB", trend->peak_memory_gb);
  return out;
}

// Speed, quality and memory over the calls.
std::string to_svg(std::span<const HistoryRow> rows) {
  PlotSeries speed{"tokens per second", {}}, quality{"mean quality", {}}, memory{"peak memory, GiB", {}};
  for (const HistoryRow& row : rows) {
    speed.values.push_back(row.tokens_per_second);
    quality.values.push_back(row.mean_quality);
    memory.values.push_back(row.peak_memory_gb);
  }
  return svg_plot({speed, quality, memory}, "calls, oldest first");
}

}  // namespace

int run_history(const HistoryArguments& arguments) {
  const std::vector<HistoryRow> rows = read_history(arguments.file, arguments.last);
  const std::optional<HistoryTrend> trend = compare_latest(rows);
  if (!arguments.plot.empty()) {
    AtomicFile plot(arguments.plot);
    plot.out().write(to_svg(rows));
    plot.publish();
  }
  OutputFile out = OutputFile::standard();
  out.write(arguments.json ? to_json(rows, trend) : to_text(rows, trend));
  out.finish();
  return kExitOk;
}

}  // namespace bgem3::cli
