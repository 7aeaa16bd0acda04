// What happens to records that cannot be used: the run ends, or they are written down and counted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "output.h"
#include "progress.h"
#include "text_reader.h"

namespace bgem3::cli {

enum class OnError { fail, skip };

// "vectors.npy" -> "vectors.rejected.jsonl"
std::string rejected_path(const std::string& output);

// With OnError::skip, rejected records go to the file beside the output as {"file","line","row","id","reason"} (id only
// if the record has one); if the output is standard output, to standard error in one line each.
class Rejections {
 public:
  // Throws UsageError or OutputError if that file is in the way; one of an earlier run is replaced if `overwrite`.
  Rejections(OnError on_error, const std::string& output, bool overwrite, const std::vector<std::string>& inputs);

  // Takes note of a record. Throws InputError with file, line and reason if the run is to end at the first one.
  void add(const Record& record, const std::string& reason, Progress& progress);
  size_t count() const { return count_; }
  bool fails_at_first() const { return on_error_ == OnError::fail; }

  // Makes the file durable; without rejections there is none, not even of an earlier run.
  void finish();
  // Removes the file: its output will not be there either.
  void discard();

 private:
  OnError on_error_;
  std::string path_;  // empty: standard error
  std::optional<OutputFile> file_;
  size_t count_ = 0;
};

}  // namespace bgem3::cli
