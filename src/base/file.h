// Reading files: whole, or mapped. The library opens files nowhere else.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace bgem3 {

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

  // Gives the memory of the pages read so far back to the system; what is read again is fetched again.
  void release_pages() const;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The whole content of a regular file. Throws ModelLoadingError as MappedFile does, and (overloaded) when the file has
// more than `limit_bytes`.
std::string read_file(const std::string& path, size_t limit_bytes);

// True if the path leads, also through symbolic links, to a regular file (or a folder). Never throws.
bool is_file(const std::string& path);
bool is_folder(const std::string& path);

}  // namespace bgem3
