// Little-endian, as the machines that it runs on are:
//   header: 256 bytes, see Header
//   sections: each at a multiple of 64 bytes
//   table: one Entry for each section, in the order of their offsets, up to the end of the file
// The header is written last: a file that is not complete has none.
#include "model/packed_file.h"

#include <bit>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "model/messages.h"

namespace bgem3 {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr char kMagic[8] = {'B', 'G', 'E', 'M', '3', 'P', 'K', '\n'};
constexpr uint32_t kVersion = 1;
constexpr size_t kAlignment = 64;
constexpr size_t kHexDigits = 64;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t sections;
  uint64_t table_offset;
  uint64_t file_bytes;
  char key[kLongestKey + 1];  // ends with NUL, as the names do
  char reserved[32];
  char sha256[kHexDigits];  // of the header with zeros here, then the table
};
static_assert(sizeof(Header) == 256);

struct TableEntry {
  char name[kLongestSectionName + 1];
  uint32_t type;
  uint32_t reserved;
  uint64_t offset;
  uint64_t size;
  char sha256[kHexDigits];
  char padding[40];
};
static_assert(sizeof(TableEntry) == 192);

template <size_t size>
void store(char (&field)[size], std::string_view text) {
  BGEM3_CHECK(text.size() <= size);
  std::memcpy(field, text.data(), text.size());
}

// The text of a field up to its NUL; nothing if it has none.
template <size_t size>
std::optional<std::string_view> load(const char (&field)[size]) {
  const void* end = std::memchr(field, 0, size);
  if (!end) return std::nullopt;
  return std::string_view(field, static_cast<size_t>(static_cast<const char*>(end) - field));
}

template <typename T>
T read(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::string checksum(Header header, std::span<const std::byte> table) {
  std::memset(header.sha256, 0, sizeof header.sha256);
  Sha256 hash;
  hash.add(std::as_bytes(std::span(&header, 1)));
  hash.add(table);
  return hash.hex();
}

}  // namespace

std::map<std::string, Section, std::less<>> parse_packed_file(std::span<const std::byte> bytes, std::string_view key,
                                                              std::string_view file) {
  const auto corrupt = [&]<typename... Args>(fmt::format_string<Args...> format, Args&&... args) {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: {}; delete it, it is made again", file,
                            fmt::format(format, std::forward<Args>(args)...));
  };
  if (bytes.size() < sizeof(Header)) corrupt("{} bytes, too short for the header of a packed file", bytes.size());
  const auto header = read<Header>(bytes, 0);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) corrupt("no packed file of bgem3, or not complete");
  if (header.version != kVersion) corrupt("format {}, expected {}", header.version, kVersion);
  if (header.file_bytes != bytes.size()) corrupt("{} bytes, expected {}", bytes.size(), header.file_bytes);
  const size_t table_bytes = header.sections * sizeof(TableEntry);
  if (header.table_offset < sizeof(Header) || header.table_offset > bytes.size() ||
      bytes.size() - header.table_offset != table_bytes) {
    corrupt("a table of {} sections at byte {} does not end the file of {} bytes", header.sections, header.table_offset,
            bytes.size());
  }
  const auto table = bytes.subspan(header.table_offset);
  if (checksum(header, table) != std::string_view(header.sha256, kHexDigits)) {
    corrupt("the checksum of header and table differs");
  }
  const auto found_key = load(header.key);
  if (found_key != key) corrupt("made for {}, expected {}", quote(found_key.value_or("")), quote(key));

  std::map<std::string, Section, std::less<>> sections;
  size_t end = sizeof(Header);
  for (uint32_t i = 0; i < header.sections; i++) {
    const auto entry = read<TableEntry>(table, i * sizeof(TableEntry));
    const auto name = load(entry.name);
    if (!name) corrupt("section {}: its name does not end", i);
    const auto section_end = checked_add(entry.offset, entry.size);
    if (entry.offset < end || entry.offset % kAlignment != 0 || !section_end || *section_end > header.table_offset) {
      corrupt("section {}: {} bytes at byte {}, expected them between byte {} and the table", quote(*name), entry.size,
              entry.offset, end);
    }
    end = *section_end;
    const Section section{.type = entry.type,
                          .bytes = bytes.subspan(entry.offset, entry.size),
                          .offset = entry.offset,
                          .sha256 = std::string(entry.sha256, kHexDigits)};
    if (!sections.emplace(*name, section).second) corrupt("section {} is there twice", quote(*name));
  }
  return sections;
}

std::string read_packed_key(const std::string& path) {
  const OpenFile file(path);
  Header header{};
  if (file.size() >= sizeof header) file.read_at(0, std::as_writable_bytes(std::span(&header, 1)));
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: no packed file of bgem3, or not complete", path);
  }
  return std::string(load(header.key).value_or(""));
}

Sections open_packed_file(const std::string& path, std::string_view key) {
  Sections sections;
  sections.file_.emplace(path);
  sections.by_name_ = parse_packed_file(sections.file_->bytes(), key, path);
  return sections;
}

const Section* Sections::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &found->second;
}

void Sections::add(std::string_view name, uint32_t type, AlignedBuffer<std::byte> bytes) {
  by_name_[std::string(name)] = {.type = type, .bytes = {bytes.data(), bytes.size()}};
  memory_.push_back(std::move(bytes));
}

void verify_sections(const Sections& sections) {
  BGEM3_CHECK(sections.file());
  for (const auto& [name, section] : sections.all()) {
    Sha256 hash;
    constexpr size_t kBlock = size_t{4} << 20;
    for (size_t done = 0; done < section.bytes.size(); done += kBlock) {
      hash.add(section.bytes.subspan(done, std::min(kBlock, section.bytes.size() - done)));
      sections.file()->release_pages();  // so that checking a large file takes no memory
    }
    if (hash.hex() != section.sha256) {
      fail<ModelLoadingError>(ErrorCode::corrupt,
                              "{}: section {} is damaged: its checksum differs; delete the file, "
                              "it is made again",
                              sections.file()->path(), quote(name));
    }
  }
}

PackedFileWriter::PackedFileWriter(const std::string& path, std::string_view key) : file_(path), key_(key) {
  BGEM3_CHECK(key.size() <= kLongestKey);
  const Header empty{};
  file_.write(std::as_bytes(std::span(&empty, 1)));
}

void PackedFileWriter::align() {
  static constexpr std::byte kZeros[kAlignment] = {};
  const size_t over = file_.size() % kAlignment;
  if (over != 0) file_.write(std::span(kZeros).first(kAlignment - over));
}

void PackedFileWriter::begin(std::string_view name, uint32_t type) {
  BGEM3_CHECK(!hash_ && name.size() <= kLongestSectionName);
  align();
  entries_.push_back({.name = std::string(name), .section = {.type = type, .bytes = {}, .offset = file_.size()}});
  hash_.emplace();
}

void PackedFileWriter::write(std::span<const std::byte> bytes) {
  BGEM3_CHECK(hash_.has_value());
  hash_->add(bytes);
  file_.write(bytes);
}

void PackedFileWriter::end() {
  Entry& entry = entries_.back();
  entry.size = file_.size() - entry.section.offset;
  entry.section.sha256 = hash_->hex();
  hash_.reset();
}

void PackedFileWriter::add(std::string_view name, uint32_t type, std::span<const std::byte> bytes) {
  begin(name, type);
  write(bytes);
  end();
}

void PackedFileWriter::publish() {
  BGEM3_CHECK(!hash_);
  align();
  Header header{};
  store(header.magic, {kMagic, sizeof kMagic});
  header.version = kVersion;
  header.sections = static_cast<uint32_t>(entries_.size());
  header.table_offset = file_.size();
  header.file_bytes = file_.size() + entries_.size() * sizeof(TableEntry);
  store(header.key, key_);
  std::vector<TableEntry> table(entries_.size(), TableEntry{});
  for (size_t i = 0; i < entries_.size(); i++) {
    store(table[i].name, entries_[i].name);
    table[i].type = entries_[i].section.type;
    table[i].offset = entries_[i].section.offset;
    table[i].size = entries_[i].size;
    store(table[i].sha256, entries_[i].section.sha256);
  }
  const auto table_bytes = std::as_bytes(std::span(table));
  store(header.sha256, checksum(header, table_bytes));
  file_.write(table_bytes);
  file_.write_at(0, std::as_bytes(std::span(&header, 1)));
  file_.publish();
}

}  // namespace bgem3
