// Writes the file that bgem3/history.h reads.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "bgem3/history.h"
#include "generator/database.h"

namespace bgem3 {

// Any number of threads, and of processes with the same file.
class HistoryWriter {
 public:
  // Throws as Database::open. What was set aside: set_aside().
  explicit HistoryWriter(const std::string& path);

  // Answers why the row could not be stored, in one line; empty if it was.
  std::string add(const HistoryRow& row);

  const std::string& set_aside() const { return set_aside_; }  // the damaged file's new path; empty if there was none

 private:
  const std::string path_;
  std::string set_aside_;
  std::mutex mutex_;
  Database database_;
};

}  // namespace bgem3
