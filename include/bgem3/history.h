// What past calls of generators were like: rows of the SQLite file that EmbeddingConfig::history_path names. Start at
// read_history.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace bgem3 {

// One call.
struct HistoryRow {
  double time = 0;  // seconds since 1970, when it ended
  std::string model_version;
  std::string dtype;
  size_t texts = 0;
  size_t tokens = 0;             // computed; those of cached vectors are not
  double seconds = 0;            // loading the model aside
  double tokens_per_second = 0;  // 0 if nothing was computed
  double mean_quality = 0;       // of all texts, failed ones with 0
  size_t failures = 0;
  double peak_memory_gb = 0;  // GiB: the largest resident memory of the process until then
};

// The rows of a file, oldest first; of `last` at most, the newest. Throws EmbeddingGenerationError (not_found, corrupt,
// io), InvalidInputError (a database of another program). Other processes may write to it meanwhile.
std::vector<HistoryRow> read_history(const std::string& path, size_t last = SIZE_MAX);

// The latest value of something beside the median of the values before it.
struct HistoryComparison {
  double latest = 0;
  double median_before = 0;
  double ratio = 0;  // latest / median; 0 for a median of 0
};

// The last of some rows beside the calls before it that are comparable: of the same model version and dtype.
struct HistoryTrend {
  HistoryRow latest;
  size_t calls_before = 0;
  HistoryComparison tokens_per_second;  // among calls that computed something
  HistoryComparison mean_quality;
  HistoryComparison peak_memory_gb;
};

// Empty unless a comparable call is before the last.
std::optional<HistoryTrend> compare_latest(std::span<const HistoryRow> rows);

}  // namespace bgem3
#pragma GCC visibility pop
