// Reading files: whole, mapped or in places; and writing them whole or not at all. The library opens files nowhere
// else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace bgem3 {

// What changes when a file is replaced or written to; equal identities mean the same content, unless the file was
// written to within one tick of the file system's clock (see is_settled).
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;  // since 1970: when the content was last written
  int64_t changed_ns = 0;   // the same, and nobody can set it back
  bool operator==(const FileIdentity&) const = default;
};

// True if the file was last changed so long ago that any later change shows in its identity.
bool is_settled(const FileIdentity& identity);

// A regular file open for reading. Any number of threads may read it; closed with the object.
class OpenFile {
 public:
  // Throws ModelLoadingError: not_found, or io (no permission, a folder, a pipe, too many symbolic links).
  explicit OpenFile(const std::string& path);
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  const std::string& path() const { return path_; }
  size_t size() const { return identity_.size_bytes; }        // when it was opened
  const FileIdentity& identity() const { return identity_; }  // when it was opened
  int descriptor() const { return descriptor_; }

  // Fills `out` from the byte `offset` on. Throws InferenceError (io) if the file does not give all of it.
  void read_at(size_t offset, std::span<std::byte> out) const;

 private:
  std::string path_;
  int descriptor_;
  FileIdentity identity_;
};

// A regular file mapped read-only for its whole life. Movable; the bytes are valid as long as the object lives.
// A file must not be changed in place while it is mapped (truncation raises SIGBUS): replace it by rename.
class MappedFile {
 public:
  // Throws ModelLoadingError: not_found, or io (no permission, a folder, a pipe, too many symbolic links).
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // The file itself, for reads that shall not make pages of the mapping resident.
  const std::shared_ptr<const OpenFile>& file() const { return file_; }

  // Gives the memory of the pages read so far back to the system; what is read again is fetched again.
  void release_pages() const;

  const std::string& path() const { return file_->path(); }

 private:
  std::shared_ptr<const OpenFile> file_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// A file that appears under its name whole, or not at all. It is written as `path`.part, in the same folder, which is
// locked: one process writes, others that want to wait for it. What a killed process left there is written over.
// Every failure throws ModelLoadingError (io), and nothing is left behind.
class FileWriter {
 public:
  // Waits until no other process writes this file. The folder must be there.
  explicit FileWriter(const std::string& path);
  // Without publish(): removes what was written.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  // Appends.
  void write(std::span<const std::byte> bytes);
  // Overwrites bytes at `offset`.
  void write_at(size_t offset, std::span<const std::byte> bytes);
  size_t size() const { return size_; }

  // Waits until the disk has everything, then puts it under its name, in place of what was there. No write after it.
  void publish();

 private:
  void put(size_t offset, std::span<const std::byte> bytes);

  std::string path_, part_;
  int descriptor_ = -1;
  size_t size_ = 0;
};

// Whether a FileWriter, of any process, writes the file now.
bool is_being_written(const std::string& path);
// Removes the `path`.part that a killed process left. False if there is none, or it is being written. Throws
// ModelLoadingError (io).
bool remove_unfinished(const std::string& path);

// Makes a folder and those above it, where they are missing. Throws ModelLoadingError (io).
void make_folders(const std::string& path);

// The whole content of a regular file. Throws ModelLoadingError as MappedFile does, and (overloaded) when the file has
// more than `limit_bytes`.
std::string read_file(const std::string& path, size_t limit_bytes);

// True if the path leads, also through symbolic links, to a regular file (or a folder). Never throws.
bool is_file(const std::string& path);
bool is_folder(const std::string& path);

}  // namespace bgem3
