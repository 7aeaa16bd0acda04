// torch.save writes a zip archive of uncompressed records under one folder: data.pkl says which tensors there are,
// data/<key> holds the bytes of each storage, byteorder says "little". The archive is read as torch writes it and no
// more freely: the central directory ends the file, records do not overlap, and every local header repeats what the
// directory says.
#include "model/torch_zip.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>

#include "base/checked.h"
#include "base/error.h"
#include "model/messages.h"
#include "model/pickle.h"

namespace bgem3 {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kDirectoryEntry = 0x02014b50;
constexpr uint32_t kDirectoryEnd = 0x06054b50;
constexpr uint32_t kDirectoryEnd64 = 0x06064b50;
constexpr uint32_t kLocator64 = 0x07064b50;
constexpr size_t kLocalHeaderBytes = 30;
constexpr size_t kDirectoryEntryBytes = 46;
constexpr size_t kDirectoryEndBytes = 22;
constexpr size_t kDirectoryEnd64Bytes = 56;
constexpr size_t kLocator64Bytes = 20;
constexpr uint16_t kExtra64 = 1;  // the extra field with sizes of 8 bytes
constexpr uint16_t kDescriptorFlag = 1 << 3;
constexpr uint16_t kEncryptedFlags = 1 << 0 | 1 << 6 | 1 << 13;
constexpr uint32_t kIn64 = 0xFFFFFFFF;  // "see the extra field"

struct Record {
  uint32_t crc = 0;
  size_t header = 0;  // where its local header begins
  size_t size = 0;
  std::span<const std::byte> bytes;
};

std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
    table[i] = value;
  }
  return table;
}

uint32_t crc32(std::span<const std::byte> bytes) {
  static const std::array<uint32_t, 256> table = crc_table();
  uint32_t crc = ~0u;
  for (const std::byte byte : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<uint32_t>(byte)) & 0xFF];
  return ~crc;
}

class Archive {
 public:
  Archive(std::span<const std::byte> bytes, std::string_view file) : bytes_(bytes), file_(file) {
    read_directory();
    check_order();
    find_root();
  }

  // The record of that name below the archive's folder, if there is one.
  const Record* find(std::string_view name) const {
    const auto found = records_.find(fmt::format("{}{}", root_, name));
    return found == records_.end() ? nullptr : &found->second;
  }

  // A small record's bytes, with its checksum verified. (Not done for tensors: it would cost a pass over them, and no
  // layout depends on it.)
  std::span<const std::byte> checked(std::string_view name, const Record& record) const {
    if (const uint32_t crc = crc32(record.bytes); crc != record.crc) {
      corrupt("record {}: checksum {:08x}, expected {:08x}; the file is damaged", quote(name), crc, record.crc);
    }
    return record.bytes;
  }

 private:
  template <typename Number>
  Number read(size_t at) const {
    Number number;
    if (at > bytes_.size() || bytes_.size() - at < sizeof number)
      corrupt("byte {}: a field runs past the end of the file", at);
    std::memcpy(&number, bytes_.data() + at, sizeof number);
    return number;
  }

  std::string_view text(size_t at, size_t size) const {
    if (at > bytes_.size() || bytes_.size() - at < size)
      corrupt("byte {}: {} bytes run past the end of the file", at, size);
    return {reinterpret_cast<const char*>(bytes_.data()) + at, size};
  }

  void read_directory() {
    const std::string_view start = text(0, std::min<size_t>(bytes_.size(), 4));
    if (start.starts_with("\x80")) {
      fail<ModelLoadingError>(
          ErrorCode::unsupported,
          "{}: a pickle without an archive, as torch before 1.6 wrote it; load and save it with a newer torch, or "
          "save it as safetensors",
          file_);
    }
    if (!start.starts_with("PK\x03\x04")) {
      corrupt("expected a zip archive as torch.save writes it, found something else{}", content_hint(bytes_));
    }
    if (bytes_.size() < kDirectoryEndBytes || read<uint32_t>(bytes_.size() - kDirectoryEndBytes) != kDirectoryEnd) {
      corrupt("no end of a zip archive in the last {} of {} bytes; the file was cut short", kDirectoryEndBytes,
              bytes_.size());
    }
    size_t end = bytes_.size() - kDirectoryEndBytes;
    uint64_t entries = read<uint16_t>(end + 10);
    uint64_t size = read<uint32_t>(end + 12);
    uint64_t begin = read<uint32_t>(end + 16);
    if (end >= kLocator64Bytes && read<uint32_t>(end - kLocator64Bytes) == kLocator64) {
      const uint64_t end64 = read<uint64_t>(end - kLocator64Bytes + 8);
      if (end < kLocator64Bytes + kDirectoryEnd64Bytes || end64 != end - kLocator64Bytes - kDirectoryEnd64Bytes ||
          read<uint32_t>(end64) != kDirectoryEnd64) {
        corrupt("byte {}: the zip64 end of directory is not at byte {} where its locator says", end - kLocator64Bytes,
                end64);
      }
      end = end64;
      entries = read<uint64_t>(end + 32);
      size = read<uint64_t>(end + 40);
      begin = read<uint64_t>(end + 48);
    }
    directory_ = begin;
    if (begin > end || size != end - begin) {
      corrupt("a directory of {} bytes at byte {} does not end at byte {} where the archive's end begins", size, begin,
              end);
    }
    size_t at = begin;
    for (uint64_t i = 0; i < entries; ++i) at = read_entry(at, end);
    if (at != end) corrupt("byte {}: {} entries end here, the directory at byte {}", at, entries, end);
  }

  // Reads one entry of the directory and answers where the next begins.
  size_t read_entry(size_t at, size_t end) {
    if (end - at < kDirectoryEntryBytes || read<uint32_t>(at) != kDirectoryEntry)
      corrupt("byte {}: expected an entry of the directory", at);
    const auto name_bytes = read<uint16_t>(at + 28);
    const auto extra_bytes = read<uint16_t>(at + 30);
    const auto comment_bytes = read<uint16_t>(at + 32);
    const size_t next = at + kDirectoryEntryBytes + name_bytes + extra_bytes + comment_bytes;
    if (next > end) corrupt("byte {}: an entry runs past the directory's end at byte {}", at, end);
    const std::string name(text(at + kDirectoryEntryBytes, name_bytes));
    const auto flags = read<uint16_t>(at + 8);
    const auto method = read<uint16_t>(at + 10);
    if (flags & kEncryptedFlags) unsupported("record {} is encrypted", quote(name));
    if (method != 0)
      unsupported("record {} is compressed with method {}; torch.save writes plain records", quote(name), method);

    Record record;
    record.crc = read<uint32_t>(at + 16);
    uint64_t fields[] = {read<uint32_t>(at + 24), read<uint32_t>(at + 20), read<uint32_t>(at + 42)};
    widen(fields, at + kDirectoryEntryBytes + name_bytes, extra_bytes, name);
    const auto [size, stored_size, header] = fields;
    if (size != stored_size)
      corrupt("record {}: {} bytes stored as {}, expected the same", quote(name), size, stored_size);
    record.size = size;
    record.header = header;
    record.bytes = local_bytes(name, record, flags);
    if (!records_.emplace(name, record).second) corrupt("record {} is there twice", quote(name));
    return next;
  }

  // Size, stored size and offset of an entry: those that say so are in the zip64 field among the extra ones.
  void widen(uint64_t (&fields)[3], size_t at, size_t extra_bytes, const std::string& name) const {
    if (std::find(std::begin(fields), std::end(fields), kIn64) == std::end(fields)) return;
    const size_t end = at + extra_bytes;
    while (end - at >= 4) {
      const auto id = read<uint16_t>(at);
      const size_t field_end = at + 4 + read<uint16_t>(at + 2);
      if (field_end > end) break;
      at += 4;
      if (id == kExtra64) {
        for (uint64_t& field : fields) {
          if (field != kIn64) continue;
          if (field_end - at < 8) corrupt("record {}: its zip64 field is too short", quote(name));
          field = read<uint64_t>(at);
          at += 8;
        }
        return;
      }
      at = field_end;
    }
    corrupt("record {}: its zip64 field is missing", quote(name));
  }

  // The bytes after the record's local header, which must repeat the directory's entry.
  std::span<const std::byte> local_bytes(const std::string& name, const Record& record, uint16_t flags) const {
    const size_t at = record.header;
    if (at > directory_ || directory_ - at < kLocalHeaderBytes || read<uint32_t>(at) != kLocalHeader) {
      corrupt("record {}: no local header at byte {}", quote(name), at);
    }
    const auto name_bytes = read<uint16_t>(at + 26);
    const auto extra_bytes = read<uint16_t>(at + 28);
    const auto crc = read<uint32_t>(at + 14);
    const auto stored_size = read<uint32_t>(at + 18);
    const auto size = read<uint32_t>(at + 22);
    if (text(at + kLocalHeaderBytes, name_bytes) != name || read<uint16_t>(at + 6) != flags ||
        read<uint16_t>(at + 8) != 0) {
      corrupt("record {}: its local header at byte {} differs from the directory", quote(name), at);
    }
    // With a descriptor behind the data, or in zip64, the local header need not know sizes and checksum yet.
    const auto repeats = [&](uint64_t local, uint64_t directory) {
      return local == directory || local == kIn64 || (local == 0 && (flags & kDescriptorFlag));
    };
    if ((crc != record.crc && !(crc == 0 && (flags & kDescriptorFlag))) || !repeats(size, record.size) ||
        !repeats(stored_size, record.size)) {
      corrupt("record {}: its local header at byte {} differs from the directory", quote(name), at);
    }
    const size_t begin = at + kLocalHeaderBytes + name_bytes + extra_bytes;
    if (begin > directory_ || record.size > directory_ - begin) {
      corrupt("record {}: {} bytes at byte {} run into the directory at byte {}", quote(name), record.size, begin,
              directory_);
    }
    return bytes_.subspan(begin, record.size);
  }

  // No two records share bytes.
  void check_order() const {
    std::vector<std::pair<const std::string*, const Record*>> order;
    for (const auto& [name, record] : records_) order.emplace_back(&name, &record);
    std::sort(order.begin(), order.end(),
              [](const auto& a, const auto& b) { return a.second->header < b.second->header; });
    for (size_t i = 1; i < order.size(); ++i) {
      const Record& before = *order[i - 1].second;
      const auto end = static_cast<size_t>(before.bytes.data() - bytes_.data()) + before.size;
      if (order[i].second->header < end)
        corrupt("records {} and {} overlap", quote(*order[i - 1].first), quote(*order[i].first));
    }
  }

  // The archive's one folder, with its '/': the one that data.pkl is in.
  void find_root() {
    constexpr std::string_view kPickle = "/data.pkl";
    for (const auto& [name, record] : records_) {
      if (!name.ends_with(kPickle)) continue;
      if (!root_.empty()) corrupt("two records end in {}, expected one", kPickle);
      root_ = name.substr(0, name.size() - kPickle.size() + 1);
    }
    if (root_.empty()) corrupt("no record data.pkl; the archive is not one of torch.save{}", content_hint(bytes_));
  }

  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: {}", file_, fmt::format(format, std::forward<Args>(args)...));
  }

  template <typename... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    fail<ModelLoadingError>(ErrorCode::unsupported, "{}: {}", file_, fmt::format(format, std::forward<Args>(args)...));
  }

  std::span<const std::byte> bytes_;
  std::string_view file_;
  size_t directory_ = 0;  // where the central directory begins: records end before it
  std::map<std::string, Record> records_;
  std::string root_;
};

// The tensor's bytes in its storage's record.
Tensor resolve(const PickledTensor& pickled, const Archive& archive, std::string_view file) {
  const std::string name = fmt::format("data/{}", pickled.storage);
  const Record* record = archive.find(name);
  if (!record) {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: tensor {}: no record {}", file, quote(pickled.name), quote(name));
  }
  const size_t element_bytes = bits_of(pickled.dtype) / 8;
  const auto expected = checked_multiply(pickled.storage_elements, element_bytes);
  if (!expected || *expected != record->size) {
    fail<ModelLoadingError>(ErrorCode::corrupt,
                            "{}: tensor {}: its storage of {} {} elements is in a record of {} bytes", file,
                            quote(pickled.name), pickled.storage_elements, to_string(pickled.dtype), record->size);
  }
  return {.name = pickled.name,
          .dtype = pickled.dtype,
          .shape = pickled.shape,
          .bytes = record->bytes.subspan(pickled.first * element_bytes, pickled.elements * element_bytes),
          .file = std::string(file)};
}

}  // namespace

std::vector<Tensor> parse_torch_zip(std::span<const std::byte> bytes, std::string_view file) {
  const Archive archive(bytes, file);
  if (const Record* order = archive.find("byteorder")) {
    const auto text = archive.checked("byteorder", *order);
    const std::string_view value(reinterpret_cast<const char*>(text.data()), text.size());
    if (value != "little") {
      fail<ModelLoadingError>(ErrorCode::unsupported, "{}: byte order {}, expected \"little\"", file, quote(value));
    }
  }
  const auto pickle = archive.checked("data.pkl", *archive.find("data.pkl"));
  std::vector<Tensor> tensors;
  for (const PickledTensor& pickled : read_state_dict(pickle, fmt::format("{}: data.pkl", file))) {
    tensors.push_back(resolve(pickled, archive, file));
  }
  return tensors;
}

}  // namespace bgem3
