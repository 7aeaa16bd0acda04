// The format: "\x93NUMPY", version (two bytes), header length (u16 in version 1, u32 later, little-endian), the header,
// the data. The header is a Python dictionary with exactly the keys descr, fortran_order and shape, padded with spaces
// and ended by a newline so that the data begins at a multiple of 64. Source:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include "npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "unicode.h"

namespace bgem3::cli {

static_assert(std::endian::native == std::endian::little, "rows are written as they lie in memory");

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kHeaderBytes = 128;         // room for any shape, so that it can be completed at the end
constexpr size_t kLongestHeader = 64 << 10;  // of files that we read

size_t value_bytes(std::string_view type) { return static_cast<size_t>(type.back() - '0'); }

std::string type_name(std::string_view type) {
  return fmt::format("{}{}", type[1] == 'f' ? "float" : type[1] == 'u' ? "uint" : "int", 8 * value_bytes(type));
}

// "float32 ('<f4')", or several with "or" between.
std::string type_names(std::initializer_list<std::string_view> types) {
  std::string names;
  for (const std::string_view type : types) {
    names += fmt::format("{}{} ('{}')", names.empty() ? "" : " or ", type_name(type), type);
  }
  return names;
}

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

NpyWriter::NpyWriter(const std::string& path, std::string_view type, size_t columns)
    : file_(path), type_(type), columns_(columns) {
  file_.out().write(npy_header(type_, std::vector<size_t>{0, columns_}));
}

void NpyWriter::write_row(std::span<const std::byte> row) {
  file_.out().write({reinterpret_cast<const char*>(row.data()), row.size_bytes()});
  ++rows_;
}

void NpyWriter::publish() {
  file_.overwrite_start(npy_header(type_, std::vector{rows_, columns_}));
  file_.publish();
}

NpyReader::NpyReader(std::unique_ptr<ByteSource> source, std::initializer_list<std::string_view> types,
                     size_t dimensions)
    : source_(std::move(source)) {
  unsigned char start[12];
  source_->read(start, 10);
  if (std::memcmp(start, kMagic.data(), kMagic.size()) != 0)
    fail("not an .npy file: it does not begin with \\x93NUMPY");
  if (start[6] < 1 || start[6] > 3) fail(fmt::format("format version {}, expected 1, 2 or 3", start[6]));
  size_t header_bytes = start[8] | static_cast<size_t>(start[9]) << 8;
  size_t data_begin = 10 + header_bytes;
  if (start[6] > 1) {
    source_->read(start + 10, 2);
    header_bytes |= static_cast<size_t>(start[10]) << 16 | static_cast<size_t>(start[11]) << 24;
    data_begin = 12 + header_bytes;
  }
  if (header_bytes > kLongestHeader) fail(fmt::format("a header of {} bytes", header_bytes));
  std::string header(header_bytes, '\0');
  source_->read(header.data(), header.size());
  parse_header(header, types, dimensions);

  const std::string shape = dimensions == 1 ? fmt::format("({},)", rows_) : fmt::format("({}, {})", rows_, columns_);
  uint64_t total_bytes = 0;
  if (__builtin_mul_overflow(rows_, columns_, &bytes_left_) ||
      __builtin_mul_overflow(bytes_left_, value_bytes(type_), &bytes_left_) ||
      __builtin_add_overflow(bytes_left_, data_begin, &total_bytes)) {
    fail(fmt::format("shape {} is too large", shape));
  }
  if (source_->size_bytes() != total_bytes) {
    fail(fmt::format("shape {} makes {} bytes, the file has {}", shape, total_bytes, source_->size_bytes()));
  }
}

size_t NpyReader::row_bytes() const { return columns_ * value_bytes(type_); }

bool NpyReader::read(void* to, size_t bytes) {
  if (bytes > bytes_left_) return false;
  source_->read(to, bytes);
  bytes_left_ -= bytes;
  return true;
}

void NpyReader::parse_header(std::string_view header, std::initializer_list<std::string_view> types,
                             size_t dimensions) {
  Literal literal(header);
  bool has_type = false, has_order = false, has_shape = false;
  bool good = literal.take("{");
  while (good && !literal.take("}")) {
    const auto key = literal.string();
    good = key && literal.take(":");
    if (!good) break;
    if (*key == "descr" && !has_type) {
      const auto found = literal.string();
      if (!found || std::find(types.begin(), types.end(), *found) == types.end()) {
        fail(fmt::format("expected {}, found {}", type_names(types),
                         found ? "'" + printable(*found) + "'" : "a structured type"));
      }
      type_ = *found;
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
      if (good && shape.size() != dimensions) {
        fail(fmt::format("expected {}, found {}", dimensions == 1 ? "one dimension" : "two dimensions", shape.size()));
      }
      if (good) rows_ = shape[0];
      if (good && dimensions == 2) columns_ = shape[1];
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

}  // namespace bgem3::cli
