// A file of named sections of bytes: weights in the kernels' order, and what else a start needs, for the next starts to
// map. Start at PackedFile and PackedFileWriter. The format: docs/packed_file.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/file.h"
#include "base/sha256.h"

namespace bgem3 {

// What the bytes of a section are is known to those who make and use it: `type` is theirs.
struct Section {
  uint32_t type = 0;
  std::span<const std::byte> bytes;  // starts at a multiple of 64 bytes, in memory as in the file
  size_t offset = 0;                 // in the file; 0 for sections in memory
  std::string sha256 = {};           // of the bytes as they were written; empty for sections in memory
};

// Sections by name, in a mapped file or in memory. Movable; the bytes stay valid as long as the object lives.
class Sections {
 public:
  Sections() = default;

  // Null if there is none of that name.
  const Section* find(std::string_view name) const;
  // Takes a section into memory.
  void add(std::string_view name, uint32_t type, AlignedBuffer<std::byte> bytes);

  const std::map<std::string, Section, std::less<>>& all() const { return by_name_; }

  // The mapped file; null for sections in memory.
  const MappedFile* file() const { return file_ ? &*file_ : nullptr; }

 private:
  friend Sections open_packed_file(const std::string& path, std::string_view key);
  std::optional<MappedFile> file_;
  std::vector<AlignedBuffer<std::byte>> memory_;
  std::map<std::string, Section, std::less<>> by_name_;
};

// The longest key and name of a section, in bytes.
constexpr size_t kLongestKey = 127;
constexpr size_t kLongestSectionName = 63;

// Maps a packed file that was written for `key`, and checks its size, header and table of sections with their checksum,
// so that no section leaves the file. The bytes of the sections are not read. Cost: microseconds.
// Throws ModelLoadingError: not_found; io; corrupt (damaged, cut short, no packed file, or made for another key).
Sections open_packed_file(const std::string& path, std::string_view key);

// The key that a packed file says it was written for; nothing else of it is checked. Throws ModelLoadingError
// (not_found, io, corrupt).
std::string read_packed_key(const std::string& path);

// The same as open_packed_file() for bytes in memory, which the result points into; `file` stands for them in messages.
std::map<std::string, Section, std::less<>> parse_packed_file(std::span<const std::byte> bytes, std::string_view key,
                                                              std::string_view file);

// Reads all sections of an opened file and compares their checksums. Throws ModelLoadingError (corrupt) with the first
// that differs.
void verify_sections(const Sections& sections);

// Writes a packed file, section after section, each in any number of pieces. Readers see it when it is published.
// Holds nothing of the sections in memory. Every failure throws ModelLoadingError (io).
class PackedFileWriter {
 public:
  // Waits until no other process writes this file.
  PackedFileWriter(const std::string& path, std::string_view key);

  void begin(std::string_view name, uint32_t type);
  void write(std::span<const std::byte> bytes);
  void end();
  // The three in one.
  void add(std::string_view name, uint32_t type, std::span<const std::byte> bytes);

  void publish();

 private:
  struct Entry {
    std::string name;
    Section section;
    size_t size = 0;
  };
  void align();

  FileWriter file_;
  std::string key_;
  std::vector<Entry> entries_;
  std::optional<Sha256> hash_;  // of the section that was begun
};

}  // namespace bgem3
