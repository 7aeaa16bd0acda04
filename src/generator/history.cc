#include "generator/history.h"

#include <algorithm>

#include "base/error.h"
#include "generator/median.h"

namespace bgem3 {
namespace {

constexpr DatabaseFormat kFormat = {
    .application_id = 0x62676502,  // "bge", 2
    .version = 1,
    .name = "history",
    .schema =
        "CREATE TABLE calls (id INTEGER PRIMARY KEY, time REAL NOT NULL, model_version TEXT NOT NULL,"
        " dtype TEXT NOT NULL, texts INTEGER NOT NULL, tokens INTEGER NOT NULL, seconds REAL NOT NULL,"
        " tokens_per_second REAL NOT NULL, mean_quality REAL NOT NULL, failures INTEGER NOT NULL,"
        " peak_memory_gb REAL NOT NULL)"};

constexpr const char* kColumns =
    "time, model_version, dtype, texts, tokens, seconds, tokens_per_second, mean_quality, failures, peak_memory_gb";

HistoryComparison compare(double latest, std::vector<double> before) {
  if (before.empty()) return {.latest = latest};
  const double median = median_of(std::move(before));
  return {latest, median, median > 0 ? latest / median : 0};
}

}  // namespace

HistoryWriter::HistoryWriter(const std::string& path)
    : path_(path),
      database_(Database::open(path, kFormat, [&](const std::string& new_path) { set_aside_ = new_path; })) {}

std::string HistoryWriter::add(const HistoryRow& row) {
  const std::lock_guard lock(mutex_);
  try {
    Statement insert =
        database_.prepare(fmt::format("INSERT INTO calls ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", kColumns));
    insert.bind(0, row.time).bind(1, row.model_version).bind(2, row.dtype);
    insert.bind(3, static_cast<int64_t>(row.texts)).bind(4, static_cast<int64_t>(row.tokens)).bind(5, row.seconds);
    insert.bind(6, row.tokens_per_second).bind(7, row.mean_quality).bind(8, static_cast<int64_t>(row.failures));
    insert.bind(9, row.peak_memory_gb).step();
    return {};
  } catch (const DatabaseError& error) {
    return fmt::format("{}: cannot add a row: {}", path_, error.what());
  }
}

std::vector<HistoryRow> read_history(const std::string& path, size_t last) {
  const Database database = Database::open_to_read(path, kFormat);
  std::vector<HistoryRow> rows;
  try {
    Statement select = database.prepare(fmt::format("SELECT {} FROM calls ORDER BY id DESC LIMIT ?", kColumns));
    select.bind(0, static_cast<int64_t>(std::min(last, static_cast<size_t>(INT64_MAX))));
    while (select.step()) {
      rows.push_back({.time = select.real(0),
                      .model_version = select.text(1),
                      .dtype = select.text(2),
                      .texts = static_cast<size_t>(select.integer(3)),
                      .tokens = static_cast<size_t>(select.integer(4)),
                      .seconds = select.real(5),
                      .tokens_per_second = select.real(6),
                      .mean_quality = select.real(7),
                      .failures = static_cast<size_t>(select.integer(8)),
                      .peak_memory_gb = select.real(9)});
    }
  } catch (const DatabaseError& error) {
    fail<EmbeddingGenerationError>(error.is_damage() ? ErrorCode::corrupt : ErrorCode::io,
                                   "{}: cannot read the history: {}", path, error.what());
  }
  std::reverse(rows.begin(), rows.end());
  return rows;
}

std::optional<HistoryTrend> compare_latest(std::span<const HistoryRow> rows) {
  if (rows.empty()) return {};
  HistoryTrend trend;
  trend.latest = rows.back();
  std::vector<double> rates, qualities, peaks;
  for (const HistoryRow& row : rows.first(rows.size() - 1)) {
    if (row.model_version != trend.latest.model_version || row.dtype != trend.latest.dtype) continue;
    trend.calls_before++;
    if (row.tokens > 0) rates.push_back(row.tokens_per_second);
    qualities.push_back(row.mean_quality);
    peaks.push_back(row.peak_memory_gb);
  }
  if (trend.calls_before == 0) return {};
  trend.tokens_per_second = compare(trend.latest.tokens_per_second, std::move(rates));
  trend.mean_quality = compare(trend.latest.mean_quality, std::move(qualities));
  trend.peak_memory_gb = compare(trend.latest.peak_memory_gb, std::move(peaks));
  return trend;
}

}  // namespace bgem3
