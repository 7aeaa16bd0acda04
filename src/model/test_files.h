// What the tests of this module share: folders that vanish, errors as text, and writers of tiny model files, true and
// lying.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bgem3/error.h"

namespace bgem3 {

// A fresh folder, removed with everything in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "bgem3-model-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path(std::string_view name = "") const { return name.empty() ? path_ : path_ + "/" + std::string(name); }

  // Writes a file, with the folders above it.
  void write(std::string_view name, std::string_view content) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << content;
  }

 private:
  std::string path_;
};

struct Caught {
  bool thrown = false;
  ErrorCode code = ErrorCode::internal;
  std::string message;

  bool says(std::string_view part) const { return message.find(part) != std::string::npos; }
};

// What `action` throws. Every message must be one line.
inline Caught caught(const std::function<void()>& action) {
  try {
    action();
  } catch (const EmbeddingGenerationError& error) {
    const std::string message = error.what();
    return {true, error.code(), message.find('\n') == std::string::npos ? message : "NOT ONE LINE: " + message};
  }
  return {};
}

inline std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

template <typename Number>
std::string little(Number number) {
  std::string text(sizeof number, '\0');
  std::memcpy(text.data(), &number, sizeof number);
  return text;
}

// Floats as their bytes.
inline std::string floats(const std::vector<float>& values) {
  std::string text;
  for (const float value : values) text += little(value);
  return text;
}

inline std::string safetensors(std::string_view header, std::string_view data) {
  return little(uint64_t{header.size()}) + std::string(header) + std::string(data);
}

// The checksum of zip, the slow way: independent of the reader's.
inline uint32_t slow_crc32(std::string_view text) {
  uint32_t crc = ~0u;
  for (const char character : text) {
    crc ^= static_cast<unsigned char>(character);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0xEDB88320u & (0 - (crc & 1)));
  }
  return ~crc;
}

// A zip archive of plain records; the fields let a test lie about each.
struct ZipRecord {
  std::string name;
  std::string content;
  uint16_t method = 0;
  uint16_t flags = 0;
  uint32_t size_lie = 0;             // added to the directory's size
  uint32_t stored_size_lie = 0;      // added to the directory's stored size
  uint32_t header_lie = 0;           // added to the directory's offset
  uint32_t crc_lie = 0;              // added to both checksums
  std::string local_name = {};       // instead of the name in the local header
  std::string directory_extra = {};  // an extra field of the directory's entry
};

inline std::string zip(const std::vector<ZipRecord>& records, uint16_t entries_lie = 0, uint32_t directory_lie = 0) {
  std::string file, directory;
  for (const ZipRecord& record : records) {
    const auto size = static_cast<uint32_t>(record.content.size());
    const uint32_t crc = slow_crc32(record.content) + record.crc_lie;
    const std::string& local_name = record.local_name.empty() ? record.name : record.local_name;
    directory += little(uint32_t{0x02014b50}) + little(uint32_t{0}) + little(record.flags) + little(record.method) +
                 little(uint32_t{0}) + little(crc) + little(size + record.stored_size_lie) +
                 little(size + record.size_lie) + little(static_cast<uint16_t>(record.name.size())) +
                 little(static_cast<uint16_t>(record.directory_extra.size())) + std::string(10, '\0') +
                 little(static_cast<uint32_t>(file.size()) + record.header_lie) + record.name + record.directory_extra;
    file += little(uint32_t{0x04034b50}) + little(uint16_t{0}) + little(record.flags) + little(record.method) +
            little(uint32_t{0}) + little(crc) + little(size) + little(size) +
            little(static_cast<uint16_t>(local_name.size())) + little(uint16_t{0}) + local_name + record.content;
  }
  const auto count = static_cast<uint16_t>(records.size() + entries_lie);
  const auto begin = static_cast<uint32_t>(file.size());
  return file + directory + little(uint32_t{0x06054b50}) + little(uint32_t{0}) + little(count) + little(count) +
         little(static_cast<uint32_t>(directory.size())) + little(begin + directory_lie) + little(uint16_t{0});
}

// Pieces of a pickle, as Python's pickle of protocol 2 writes them.
namespace pickle {

inline std::string text(std::string_view value) {
  return "X" + little(static_cast<uint32_t>(value.size())) + std::string(value);
}
inline std::string number(int32_t value) { return "J" + little(value); }
inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string sizes(const std::vector<int32_t>& values) {
  std::string program = "(";
  for (const int32_t value : values) program += number(value);
  return program + "t";
}
inline std::string storage(std::string_view type, std::string_view key, int32_t elements) {
  return "(" + text("storage") + global("torch", type) + text(key) + text("cpu") + number(elements) + "tQ";
}
inline std::string tensor(const std::string& storage, int32_t first, const std::vector<int32_t>& shape,
                          const std::vector<int32_t>& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage + number(first) + sizes(shape) + sizes(strides) +
         "\x89" + global("collections", "OrderedDict") + ")R" + "tR";
}
// A whole pickle with one value.
inline std::string whole(const std::string& value) { return "\x80\x02" + value + "."; }
// A dictionary of name and value programs.
inline std::string dictionary(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string program = "}(";
  for (const auto& [name, value] : items) program += text(name) + value;
  return program + "u";
}

}  // namespace pickle
}  // namespace bgem3
