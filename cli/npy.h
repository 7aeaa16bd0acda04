// Arrays in NumPy's .npy format, C order, little-endian: written row by row, read front to back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
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

// Writes a file that appears, complete and synced, at publish() and not before; the number of rows need not be known.
// Throws OutputError.
class NpyWriter {
 public:
  // type: NumPy's, that of what will be written.
  NpyWriter(const std::string& path, std::string_view type, size_t columns);

  void write_row(std::span<const std::byte> row);  // [columns] of the type
  void publish();

 private:
  AtomicFile file_;
  const std::string type_;
  size_t columns_;
  size_t rows_ = 0;
};

// Reads an array of numbers front to back. Throws InputError for anything that is not of the type and the number of
// dimensions that are expected, in C order, and exactly as long as its header says.
class NpyReader {
 public:
  // types: of these is what will be read: "<f4", "<f2", "<i4", "<i8", "|i1", "|u1". dimensions: 1 or 2.
  NpyReader(std::unique_ptr<ByteSource> source, std::initializer_list<std::string_view> types, size_t dimensions);

  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }      // 1 for one dimension
  std::string_view type() const { return type_; }  // one of `types`
  size_t row_bytes() const;

  // The next values in their order; false, and nothing is read, if fewer are left.
  bool read(std::span<float> values) { return read(values.data(), values.size_bytes()); }
  bool read(std::span<int32_t> values) { return read(values.data(), values.size_bytes()); }
  bool read(std::span<int64_t> values) { return read(values.data(), values.size_bytes()); }
  bool read(std::span<std::byte> bytes) { return read(bytes.data(), bytes.size()); }

  [[noreturn]] void fail(std::string_view problem) const { source_->fail(problem); }

 private:
  bool read(void* to, size_t bytes);
  void parse_header(std::string_view header, std::initializer_list<std::string_view> types, size_t dimensions);

  std::unique_ptr<ByteSource> source_;
  std::string type_;
  size_t rows_ = 0;
  size_t columns_ = 1;
  uint64_t bytes_left_ = 0;
};

}  // namespace bgem3::cli
