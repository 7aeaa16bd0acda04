#include "stored_outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "failure.h"
#include "npy.h"
#include "npz.h"
#include "precision.h"

namespace bgem3::cli {

namespace {

constexpr const char* kMakeAgain = "make it again with bgem3 embed";
const std::initializer_list<std::string_view> kVectorTypes = {"<f4", "<f2", "|i1", "|u1"};  // of every Precision

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

// Where rows of different lengths end in an array of all their values.
class RowEnds {
 public:
  RowEnds(NpyReader ends, size_t values) : ends_(std::move(ends)), values_(values) {
    if (ends_.rows() == 0 || next() != 0) ends_.fail(fmt::format("it does not begin with 0; {}", kMakeAgain));
  }

  size_t rows() const { return ends_.rows() - 1; }

  // How many values the next row has.
  size_t next() {
    int64_t end = 0;
    ends_.read({&end, 1});
    const bool last = ++read_ == ends_.rows();
    if (end < at_ || std::cmp_greater(end, values_) || (last && std::cmp_not_equal(end, values_))) {
      ends_.fail(fmt::format("value {} is {}: expected {} to {}; {}", read_ - 1, end, last ? values_ : at_, values_,
                             kMakeAgain));
    }
    return static_cast<size_t>(end - std::exchange(at_, end));
  }

 private:
  NpyReader ends_;
  size_t values_;
  size_t read_ = 0;
  int64_t at_ = 0;
};

// An .npy is an .npz of the dense array alone.
class StoredArrays : public StoredOutputs {
 public:
  StoredArrays(const std::string& path, const Outputs& needed) : StoredOutputs(path, needed) {
    const bool npz = path.ends_with(".npz");
    if (!npz && needed.sparse) fail_missing("sparse");
    if (!npz && needed.multi) fail_missing("multi");
    if (needed.dense) {
      dense_ = npz ? vectors("dense") : NpyReader(open_file(path), kVectorTypes, 2);
      set_rows("dense", dense_->rows());
      set_dimensions("dense", *dense_);
    }
    if (needed.sparse) {
      sparse_ids_ = array("sparse", "sparse_indices", {"<i4"}, 1);
      sparse_weights_ = array("sparse", "sparse_data", {"<f4"}, 1);
      if (sparse_ids_->rows() != sparse_weights_->rows()) {
        fail(fmt::format("sparse_indices has {} values, sparse_data {}", sparse_ids_->rows(), sparse_weights_->rows()));
      }
      sparse_ends_.emplace(array("sparse", "sparse_indptr", {"<i8"}, 1), sparse_ids_->rows());
      set_rows("sparse_indptr", sparse_ends_->rows());
      NpyReader shape = array("sparse", "sparse_shape", {"<i8"}, 1);
      int64_t sizes[2];
      if (!shape.read(sizes) || sizes[0] < 0 || sizes[1] < 1) fail("sparse_shape is not rows and vocabulary");
      set_rows("sparse_shape", static_cast<size_t>(sizes[0]));
      vocabulary_ = static_cast<size_t>(sizes[1]);
    }
    if (needed.multi) {
      multi_ = vectors("multi");
      multi_ends_.emplace(array("multi", "multi_offsets", {"<i8"}, 1), multi_->rows());
      set_rows("multi_offsets", multi_ends_->rows());
      set_dimensions("multi", *multi_);
    }
  }

  std::string read(const Record&) override {
    if (next_row_++ == rows_) fail_rows("more");
    if (dense_) row_.dense = read_vectors(*dense_, 1);
    if (sparse_ends_) {
      const size_t count = sparse_ends_->next();
      fill(*sparse_ids_, ids_, count);
      fill(*sparse_weights_, row_.sparse_weights, count);
      row_.sparse_ids.assign(ids_.begin(), ids_.end());
    }
    if (multi_ends_) row_.multi = read_vectors(*multi_, multi_ends_->next());
    if (needed_.multi && row_.multi.empty()) return fmt::format("it has no vectors in {}", path_);
    return "";
  }

  void finish() override {
    if (next_row_ != rows_) fail_rows(fmt::format("{}", next_row_));
  }

 private:
  NpyReader array(const char* output, const char* name, std::initializer_list<std::string_view> types,
                  size_t dimensions) const {
    auto source = open_npz_array(path_, name);
    if (!source) fail_missing(output);
    return NpyReader(std::move(source), types, dimensions);
  }
  NpyReader vectors(const char* output) const { return array(output, output, kVectorTypes, 2); }

  std::vector<float> read_vectors(NpyReader& array, size_t count) {
    bytes_.resize(count * array.row_bytes());
    array.read(std::span(bytes_));
    return unpack_vectors(precision_of(array.type()), bytes_, dimensions_);
  }

  template <typename T>
  static void fill(NpyReader& array, std::vector<T>& values, size_t count) {
    values.resize(count);
    array.read(values);
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw InputError(fmt::format("cannot read {}: {}; {}", path_, problem, kMakeAgain));
  }
  [[noreturn]] void fail_rows(const std::string& texts) const {
    throw InputError(fmt::format("{} has {} rows, the corpus has {} texts; {}", path_, rows_, texts, kMakeAgain));
  }
  void set_rows(const char* name, size_t rows) {
    if (rows_ != SIZE_MAX && rows != rows_) fail(fmt::format("{} has {} rows, others have {}", name, rows, rows_));
    rows_ = rows;
  }
  void set_dimensions(const char* name, const NpyReader& array) {
    const size_t dimensions = array.columns() * (precision_of(array.type()) == Precision::ubinary ? 8 : 1);
    if (dimensions == 0) fail(fmt::format("{} has no dimensions", name));
    if (dimensions_ != 0 && dimensions != dimensions_) {
      fail(fmt::format("{} has {} dimensions, dense has {}", name, dimensions, dimensions_));
    }
    dimensions_ = dimensions;
  }

  size_t rows_ = SIZE_MAX;
  size_t next_row_ = 0;
  std::optional<NpyReader> dense_, sparse_ids_, sparse_weights_, multi_;
  std::optional<RowEnds> sparse_ends_, multi_ends_;
  std::vector<int32_t> ids_;
  std::vector<std::byte> bytes_;
};

}  // namespace

void StoredOutputs::fail_missing(const char* output) const {
  std::string names;
  for (const auto& [name, asked] :
       {std::pair("dense", needed_.dense), std::pair("sparse", needed_.sparse), std::pair("multi", needed_.multi)}) {
    if (asked) names += (names.empty() ? "" : ",") + std::string(name);
  }
  throw UsageError(
      fmt::format("{} has no {} output, which this search needs; make it again with bgem3 embed --outputs {} -o {}",
                  path_, output, names, path_.ends_with(".jsonl") ? "FILE.jsonl" : "FILE.npz"));
}

void StoredOutputs::check_model(const ModelInfo& model, size_t dimensions) {
  const auto must_be = [&](const char* what, size_t found, size_t expected, const char* advice) {
    if (found == 0 || found == expected) return;
    throw UsageError(
        fmt::format("{} has {} {}, {} makes {}; pass {}", path_, found, what, model.name, expected, advice));
  };
  if (needed_.dense || needed_.multi) {
    must_be("dimensions", dimensions_, dimensions, "the model and --truncate-dim it was made with");
  }
  if (needed_.sparse) {
    must_be("token ids", vocabulary_, model.config.vocab, "the model it was made with");
    vocabulary_ = model.config.vocab;
    seen_in_.resize(vocabulary_);
  }
}

std::string StoredOutputs::next(const Record& record, Embedding& outputs) {
  if (std::string reason = read(record); !reason.empty()) return reason;
  if (!all_finite(row_.dense) || !all_finite(row_.sparse_weights) || !all_finite(row_.multi)) {
    return fmt::format("its row in {} is not finite", path_);
  }
  check_ids(record);
  outputs.dense = row_.dense;
  outputs.sparse_ids = row_.sparse_ids;
  outputs.sparse_weights = row_.sparse_weights;
  outputs.multi = row_.multi;
  return "";
}

void StoredOutputs::check_ids(const Record& record) {
  for (const uint32_t id : row_.sparse_ids) {
    if (id >= vocabulary_) {
      throw InputError(fmt::format("{}: row {} has token id {}, the model has {}; pass the model it was made with",
                                   path_, record.row, id, vocabulary_));
    }
    if (std::exchange(seen_in_[id], record.row + 1) == record.row + 1) {
      throw InputError(fmt::format("{}: row {} has token id {} twice; {}", path_, record.row, id, kMakeAgain));
    }
  }
}

std::unique_ptr<StoredOutputs> open_stored_outputs(const std::string& path, const Outputs& needed) {
  if (path.ends_with(".jsonl")) return open_stored_jsonl(path, needed);
  return std::make_unique<StoredArrays>(path, needed);
}

}  // namespace bgem3::cli
