#include "model/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"
#include "model/messages.h"

namespace bgem3 {
namespace {

// The format's own limit is 100,000,000. A header of bge-m3 has 45,440 bytes, the largest model of config.cc's limits 2
// MB, and a parsed header takes up to 54 times its size: a hostile one must not fill the memory.
constexpr uint64_t kLongestHeader = 4 << 20;

struct DTypeName {
  std::string_view name;
  DType dtype;
};

constexpr DTypeName kDTypeNames[] = {
    {"F32", DType::f32},      {"F16", DType::f16},        {"BF16", DType::bf16},      {"F64", DType::f64},
    {"I64", DType::i64},      {"I32", DType::i32},        {"I16", DType::i16},        {"I8", DType::i8},
    {"U64", DType::u64},      {"U32", DType::u32},        {"U16", DType::u16},        {"U8", DType::u8},
    {"BOOL", DType::boolean}, {"C64", DType::c64},        {"F8_E4M3", DType::f8},     {"F8_E5M2", DType::f8},
    {"F8_E8M0", DType::f8},   {"F8_E4M3FNUZ", DType::f8}, {"F8_E5M2FNUZ", DType::f8}, {"F6_E2M3", DType::f6},
    {"F6_E3M2", DType::f6},   {"F4", DType::f4},
};

struct Entry {
  Tensor tensor;
  size_t begin = 0;
  size_t end = 0;
};

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, std::string_view file) : bytes_(bytes), file_(file) {}

  std::vector<Tensor> parse() {
    const Json header = Json::parse(header_text(), fmt::format("{}: header", file_));
    for (const auto& [name, value] : header.members()) {
      if (name == "__metadata__") {
        for (const auto& [key, text] : value.members()) text.string();
      } else {
        entries_.push_back(parse_entry(name, value));
      }
    }
    std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    check_cover();
    std::vector<Tensor> tensors;
    tensors.reserve(entries_.size());
    for (Entry& entry : entries_) {
      entry.tensor.bytes = data_.subspan(entry.begin, entry.end - entry.begin);
      tensors.push_back(std::move(entry.tensor));
    }
    return tensors;
  }

 private:
  // The JSON between the length and the data; also finds the data.
  std::string_view header_text() {
    uint64_t length = 0;
    if (bytes_.size() < sizeof length) {
      corrupt(
          "expected a header length of 8 bytes, found a file of {} bytes; the file is not safetensors or was cut "
          "short{}",
          bytes_.size(), content_hint(bytes_));
    }
    std::memcpy(&length, bytes_.data(), sizeof length);
    const size_t rest = bytes_.size() - sizeof length;
    if (length > kLongestHeader) {
      corrupt("header length {}, expected at most {}; the file is not safetensors{}", length, kLongestHeader,
              content_hint(bytes_));
    }
    if (length > rest) {
      corrupt("header of {} bytes runs past the end of the file at byte {}; the file was cut short", length,
              bytes_.size());
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + sizeof length, length);
    if (!text.starts_with('{')) corrupt("byte 8: expected a header that starts with '{{'; the file is not safetensors");
    data_ = bytes_.subspan(sizeof length + length);
    return text;
  }

  Entry parse_entry(const std::string& name, const Json& value) const {
    for (const auto& [key, ignored] : value.members()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") {
        corrupt("tensor {}: unknown key {}, expected dtype, shape and data_offsets", quote(name), quote(key));
      }
    }
    Entry entry;
    entry.tensor.name = name;
    entry.tensor.file = file_;
    entry.tensor.dtype = parse_dtype(name, value.at("dtype").string());
    size_t bits = bits_of(entry.tensor.dtype);
    bool overflow = false;
    for (const Json& dimension : value.at("shape").elements()) {
      const size_t size = dimension.integer();
      entry.tensor.shape.push_back(size);
      const auto product = checked_multiply(bits, size);
      overflow |= !product;
      bits = product.value_or(0);
    }
    if (overflow) corrupt("tensor {}: shape {} overflows", quote(name), shape_text(entry.tensor.shape));
    if (bits % 8 != 0) {
      corrupt("tensor {}: shape {} of {} is {} bits, expected whole bytes", quote(name), shape_text(entry.tensor.shape),
              to_string(entry.tensor.dtype), bits);
    }
    const auto& offsets = value.at("data_offsets").elements();
    if (offsets.size() != 2) corrupt("tensor {}: {} data_offsets, expected 2", quote(name), offsets.size());
    entry.begin = offsets[0].integer();
    entry.end = offsets[1].integer();
    if (entry.end < entry.begin)
      corrupt("tensor {}: data_offsets end at {} before they begin at {}", quote(name), entry.end, entry.begin);
    if (entry.end - entry.begin != bits / 8) {
      corrupt("tensor {}: {} {} needs {} bytes, its data_offsets {} to {} hold {}", quote(name),
              to_string(entry.tensor.dtype), shape_text(entry.tensor.shape), bits / 8, entry.begin, entry.end,
              entry.end - entry.begin);
    }
    return entry;
  }

  DType parse_dtype(const std::string& tensor, const std::string& name) const {
    for (const DTypeName& known : kDTypeNames) {
      if (known.name == name) return known.dtype;
    }
    fail<ModelLoadingError>(ErrorCode::unsupported,
                            "{}: tensor {}: unknown element type {}; bgem3 reads F32, F16 and BF16", file_,
                            quote(tensor), quote(name));
  }

  // The tensors, sorted by offset, must fill the data exactly.
  void check_cover() const {
    size_t expected = 0;
    for (const Entry& entry : entries_) {
      if (entry.begin != expected) {
        corrupt("tensor {}: data begins at offset {}, expected {} where the tensor before it ends: {}",
                quote(entry.tensor.name), entry.begin, expected,
                entry.begin < expected ? "tensors overlap" : "bytes that belong to no tensor");
      }
      expected = entry.end;
      if (expected > data_.size()) {
        corrupt("tensor {}: data ends at offset {}, the file has {} bytes of data; the file was cut short",
                quote(entry.tensor.name), expected, data_.size());
      }
    }
    if (expected != data_.size()) {
      corrupt("{} bytes after the last tensor's end at offset {}; the file is damaged", data_.size() - expected,
              expected);
    }
  }

  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: {}", file_, fmt::format(format, std::forward<Args>(args)...));
  }

  std::span<const std::byte> bytes_;
  std::span<const std::byte> data_;
  std::string file_;
  std::vector<Entry> entries_;
};

}  // namespace

std::vector<Tensor> parse_safetensors(std::span<const std::byte> bytes, std::string_view file) {
  return Parser(bytes, file).parse();
}

std::map<std::string, std::string> parse_safetensors_index(std::string_view text, std::string_view file) {
  const Json index = Json::parse(text, file);
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : index.at("weight_map").members()) {
    const std::string& name = shard.string();
    const bool bare = !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
                      name.find('\\') == std::string::npos && name.find('\0') == std::string::npos;
    if (!bare) {
      fail<ModelLoadingError>(ErrorCode::corrupt, "{}: tensor {}: shard {} is not a bare file name", file,
                              quote(tensor), quote(name));
    }
    shards[tensor] = name;
  }
  if (shards.empty()) fail<ModelLoadingError>(ErrorCode::corrupt, "{}: weight_map names no tensor", file);
  return shards;
}

}  // namespace bgem3
