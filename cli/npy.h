// Arrays in NumPy's .npy format, C order, little-endian: written row by row, read front to back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "byte_source.h"
#include "output.h"

namespace bgem3::cli {

// The first 128 bytes of an .npy file (format 1.0) that holds numbers of NumPy's `type` ("<f4" is float32) in this
// shape.
std::string npy_header(std::string_view type, std::span<const size_t> shape);
// The same for float32 [rows, columns].
std::string npy_header(size_t rows, size_t columns);

// Writes a file that appears, complete and synced, at publish() and not before; the number of rows need not be known.
// Throws OutputError.
class NpyWriter {
 public:
  NpyWriter(const std::string& path, size_t columns);

  void write_row(std::span<const float> row);  // [columns]
  void write_nan_row();
  void publish();

 private:
  AtomicFile file_;
  size_t columns_;
  size_t rows_ = 0;
};

// Reads an array of numbers front to back. Throws InputError for anything that is not of the type and the number of
// dimensions that are expected, in C order, and exactly as long as its header says.
class NpyReader {
 public:
  // type: "<f4", "<i4" or "<i8", that of what will be read. dimensions: 1 or 2.
  NpyReader(std::unique_ptr<ByteSource> source, std::string_view type, size_t dimensions);
  // A file of float32 [rows, columns]: what NpyWriter and numpy.save write.
  explicit NpyReader(const std::string& path) : NpyReader(open_file(path), "<f4", 2) {}

  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }  // 1 for one dimension

  // The next values in their order; false, and nothing is read, if fewer are left.
  bool read(std::span<float> values) { return read(values.data(), values.size_bytes()); }
  bool read(std::span<int32_t> values) { return read(values.data(), values.size_bytes()); }
  bool read(std::span<int64_t> values) { return read(values.data(), values.size_bytes()); }

  [[noreturn]] void fail(std::string_view problem) const { source_->fail(problem); }

 private:
  bool read(void* to, size_t bytes);
  void parse_header(std::string_view header, std::string_view type, size_t dimensions);

  std::unique_ptr<ByteSource> source_;
  size_t rows_ = 0;
  size_t columns_ = 1;
  uint64_t bytes_left_ = 0;
};

}  // namespace bgem3::cli
