// Rows of a table in a file, read one by one. Start at EmbeddingTable::read_row.
#pragma once

#include <memory>
#include <span>

#include "base/file.h"
#include "model/tensor.h"

namespace bgem3 {

// A table [rows, columns] of F32, F16 or BF16 numbers in an open file. It is never mapped: single rows touched in a
// mapped table soon make nearly all of it resident. Any number of threads may read.
class EmbeddingTable {
 public:
  EmbeddingTable() = default;
  // `offset`: of the first row in the file. Throws ModelLoadingError (corrupt) if the table runs past the file's end.
  EmbeddingTable(std::shared_ptr<const OpenFile> file, size_t offset, DType dtype, size_t rows, size_t columns);
  // The table of a matrix that points into a mapped file.
  EmbeddingTable(const Tensor& tensor, const MappedFile& file);

  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }

  // Row `index`, widened exactly: [columns]. Throws InferenceError (io) if the file cannot be read any more.
  // Cost: one system call.
  void read_row(size_t index, std::span<float> out) const;

 private:
  std::shared_ptr<const OpenFile> file_;
  size_t offset_ = 0;
  DType dtype_ = DType::f32;
  size_t rows_ = 0, columns_ = 0;
};

}  // namespace bgem3
