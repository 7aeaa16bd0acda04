// What `bgem3 embed` wrote about a corpus, read back beside its texts. Start at open_stored_outputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bgem3/model.h"
#include "bgem3/options.h"
#include "text_reader.h"

namespace bgem3::cli {

// The outputs of one text after the other. Memory is bounded by the largest text.
class StoredOutputs {
 public:
  virtual ~StoredOutputs() = default;

  // Throws UsageError if the file was made with another model, as far as it tells. To be called before next().
  void check_model(const ModelInfo& model, size_t dimensions);

  // The outputs of this record, the next of the corpus, valid until the next call. The answer is empty, or why the file
  // has none: then `embed` rejected the record. Throws InputError: a damaged file, or one that does not fit the corpus.
  std::string next(const Record& record, Embedding& outputs);
  // After the last record. Throws InputError if the file goes on.
  virtual void finish() = 0;

 protected:
  StoredOutputs(std::string path, const Outputs& needed) : path_(std::move(path)), needed_(needed) {}

  // Fills row_, the outputs that are needed; the answer as that of next().
  virtual std::string read(const Record& record) = 0;
  // Throws UsageError: the file lacks one that is needed.
  [[noreturn]] void fail_missing(const char* output) const;

  struct Row {
    std::vector<float> dense;
    std::vector<uint32_t> sparse_ids;
    std::vector<float> sparse_weights;
    std::vector<float> multi;
  };
  const std::string path_;
  const Outputs needed_;
  size_t dimensions_ = 0;  // of dense vectors and multi-vectors; 0: not known
  size_t vocabulary_ = 0;  // 0: not known
  Row row_;

 private:
  void check_ids(const Record& record);

  std::vector<size_t> seen_in_;  // [vocabulary], the last row that has a weight for the id, plus 1
};

// A file of `bgem3 embed`: .npz, .jsonl, or whatever its name an .npy. An .npy and .npz have a row for every record of
// the corpus, JSON lines are found by the records' ids, in their order. Throws UsageError if an output that is needed
// is not there, InputError if the file cannot be read.
std::unique_ptr<StoredOutputs> open_stored_outputs(const std::string& path, const Outputs& needed);

// For open_stored_outputs only.
std::unique_ptr<StoredOutputs> open_stored_jsonl(const std::string& path, const Outputs& needed);

}  // namespace bgem3::cli
