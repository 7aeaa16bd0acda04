// The format: "\x93NUMPY", version (two bytes), header length (u16 in version 1, u32 later, little-endian), the header,
// the data. The header is a Python dictionary with exactly the keys descr, fortran_order and shape, padded with spaces
// and ended by a newline so that the data begins at a multiple of 64. Source:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include "npy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "failure.h"
#include "unicode.h"

namespace bgem3::cli {

static_assert(std::endian::native == std::endian::little, "rows are written as they lie in memory");

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kHeaderBytes = 128;         // room for any shape, so that it can be completed at the end
constexpr size_t kLongestHeader = 64 << 10;  // of files that we read
constexpr size_t kReadBytes = size_t{1} << 20;

// The header's Python literal, piece by piece. Every function says whether the piece was there.
class Literal {
 public:
  explicit Literal(std::string_view text) : rest_(text) {}

  bool take(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  std::optional<std::string_view> string() {
    skip_space();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) return {};
    const size_t close = rest_.find(rest_[0], 1);
    if (close == std::string_view::npos) return {};
    const std::string_view content = rest_.substr(1, close - 1);
    rest_.remove_prefix(close + 1);
    return content;
  }

  std::optional<uint64_t> integer() {
    skip_space();
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) return {};
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }

  bool at_end() {
    skip_space();
    return rest_.empty();
  }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size())); }

  std::string_view rest_;
};

}  // namespace

std::string npy_header(std::string_view type, std::span<const size_t> shape) {
  constexpr size_t kTextBytes = kHeaderBytes - kMagic.size() - 4;
  std::string header(kMagic);
  header += '\x01';
  header += '\x00';
  header += static_cast<char>(kTextBytes & 0xFF);
  header += static_cast<char>(kTextBytes >> 8);
  std::string sizes;
  for (const size_t size : shape) sizes += fmt::format("{}{}", sizes.empty() ? "" : ", ", size);
  if (shape.size() == 1) sizes += ',';  // Python's tuple of one
  header += fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", type, sizes);
  header.resize(kHeaderBytes - 1, ' ');
  header += '\n';
  return header;
}

std::string npy_header(size_t rows, size_t columns) { return npy_header("<f4", std::vector{rows, columns}); }

NpyWriter::NpyWriter(const std::string& path, size_t columns) : file_(path), columns_(columns) {
  file_.out().write(npy_header(0, columns));
}

void NpyWriter::write_row(std::span<const float> row) {
  file_.out().write({reinterpret_cast<const char*>(row.data()), row.size_bytes()});
  ++rows_;
}

void NpyWriter::write_nan_row() { write_row(std::vector<float>(columns_, std::numeric_limits<float>::quiet_NaN())); }

void NpyWriter::publish() {
  file_.overwrite_start(npy_header(rows_, columns_));
  file_.publish();
}

NpyReader::NpyReader(const std::string& path)
    : path_(path), fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  try {
    struct stat status;
    if (fd_ < 0 || fstat(fd_, &status) != 0) fail(std::strerror(errno));
    if (!S_ISREG(status.st_mode)) fail("not a plain file");

    unsigned char start[12];
    read_exactly(start, 10);
    if (std::memcmp(start, kMagic.data(), kMagic.size()) != 0)
      fail("not an .npy file: it does not begin with \\x93NUMPY");
    if (start[6] < 1 || start[6] > 3) fail(fmt::format("format version {}, expected 1, 2 or 3", start[6]));
    size_t header_bytes = start[8] | static_cast<size_t>(start[9]) << 8;
    size_t data_begin = 10 + header_bytes;
    if (start[6] > 1) {
      read_exactly(start + 10, 2);
      header_bytes |= static_cast<size_t>(start[10]) << 16 | static_cast<size_t>(start[11]) << 24;
      data_begin = 12 + header_bytes;
    }
    if (header_bytes > kLongestHeader) fail(fmt::format("a header of {} bytes", header_bytes));
    std::string header(header_bytes, '\0');
    read_exactly(header.data(), header.size());
    parse_header(header);

    size_t data_bytes = 0;
    if (__builtin_mul_overflow(rows_, columns_, &data_bytes) ||
        __builtin_mul_overflow(data_bytes, sizeof(float), &data_bytes) ||
        __builtin_add_overflow(data_bytes, data_begin, &data_bytes)) {
      fail(fmt::format("shape ({}, {}) is too large", rows_, columns_));
    }
    if (static_cast<uint64_t>(status.st_size) != data_bytes) {
      fail(fmt::format("shape ({}, {}) makes {} bytes, the file has {}", rows_, columns_, data_bytes, status.st_size));
    }
  } catch (...) {
    if (fd_ >= 0) close(fd_);
    throw;
  }
}

NpyReader::~NpyReader() { close(fd_); }

void NpyReader::fail(std::string_view problem) const {
  throw InputError(fmt::format("cannot read {}: {}", path_, problem));
}

void NpyReader::read_exactly(void* to, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t count = read(fd_, static_cast<char*>(to) + done, bytes - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(std::strerror(errno));
    if (count == 0) fail("the file ends too early");
    done += static_cast<size_t>(count);
  }
}

void NpyReader::parse_header(std::string_view header) {
  Literal literal(header);
  bool has_type = false, has_order = false, has_shape = false;
  bool good = literal.take("{");
  while (good && !literal.take("}")) {
    const auto key = literal.string();
    good = key && literal.take(":");
    if (!good) break;
    if (*key == "descr" && !has_type) {
      const auto type = literal.string();
      if (!type || *type != "<f4") {
        fail(fmt::format("expected float32 ('<f4'), found {}",
                         type ? "'" + printable(*type) + "'" : "a structured type"));
      }
      has_type = true;
    } else if (*key == "fortran_order" && !has_order) {
      if (literal.take("True")) fail("expected C order, found Fortran order; save numpy.ascontiguousarray of it");
      good = has_order = literal.take("False");
    } else if (*key == "shape" && !has_shape) {
      std::vector<uint64_t> shape;
      good = literal.take("(");
      while (good && !literal.take(")")) {
        const auto size = literal.integer();
        good = size.has_value();
        if (good) shape.push_back(*size);
        if (good && !literal.take(","))
          good = literal.take(")");
        else
          continue;
        break;
      }
      if (good && shape.size() != 2) fail(fmt::format("expected two dimensions, found {}", shape.size()));
      if (good) rows_ = shape[0], columns_ = shape[1];
      has_shape = good;
    } else {
      good = false;
    }
    if (good && !literal.take(",")) {
      good = literal.take("}");
      break;
    }
  }
  if (!good || !literal.at_end() || !has_type || !has_order || !has_shape) {
    fail("the header is not a dictionary of descr, fortran_order and shape");
  }
}

bool NpyReader::read_row(std::span<float> row) {
  if (next_row_ == rows_) return false;
  const size_t row_bytes = columns_ * sizeof(float);
  if (buffer_at_ == buffer_.size() && row_bytes > 0) {
    const size_t rows = std::min(rows_ - next_row_, std::max<size_t>(1, kReadBytes / row_bytes));
    buffer_.resize(rows * row_bytes);
    read_exactly(buffer_.data(), buffer_.size());
    buffer_at_ = 0;
  }
  if (row_bytes > 0) std::memcpy(row.data(), buffer_.data() + buffer_at_, row_bytes);
  buffer_at_ += row_bytes;
  ++next_row_;
  return true;
}

}  // namespace bgem3::cli
