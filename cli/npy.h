// Matrices of float32 in NumPy's .npy format, C order, little-endian: written row by row, read row by row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

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

// Reads what NpyWriter and numpy.save write. Throws InputError for anything that is not float32 ('<f4'), C order, two
// dimensions and exactly as long as its header says.
class NpyReader {
 public:
  explicit NpyReader(const std::string& path);
  ~NpyReader();
  NpyReader(const NpyReader&) = delete;
  NpyReader& operator=(const NpyReader&) = delete;

  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }

  // The next row; false after the last one.
  bool read_row(std::span<float> row);  // [columns]

 private:
  [[noreturn]] void fail(std::string_view problem) const;
  void read_exactly(void* to, size_t bytes);
  void parse_header(std::string_view header);

  std::string path_;
  int fd_;
  size_t rows_ = 0;
  size_t columns_ = 0;
  size_t next_row_ = 0;
  std::string buffer_;  // whole rows
  size_t buffer_at_ = 0;
};

}  // namespace bgem3::cli
