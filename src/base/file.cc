#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace bgem3 {
namespace {

class Descriptor {
 public:
  // O_NONBLOCK: opening a pipe without a writer must not hang.
  explicit Descriptor(const std::string& path) : value_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (value_ < 0) {
      const auto code = errno == ENOENT || errno == ENOTDIR ? ErrorCode::not_found : ErrorCode::io;
      fail<ModelLoadingError>(code, "{}: cannot open: {}", path, std::strerror(errno));
    }
    struct stat status;
    if (fstat(value_, &status) != 0 || !S_ISREG(status.st_mode)) {
      const bool folder = S_ISDIR(status.st_mode);
      close(value_);
      fail<ModelLoadingError>(ErrorCode::io, "{}: expected a regular file, found {}", path,
                              folder ? "a folder" : "a pipe, socket or device");
    }
    size_ = static_cast<size_t>(status.st_size);
  }
  ~Descriptor() { close(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int value() const { return value_; }
  size_t size() const { return size_; }

 private:
  int value_;
  size_t size_ = 0;
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const Descriptor file(path);
  size_ = file.size();
  if (size_ == 0) return;  // mmap refuses an empty range; the view is empty
  void* address = mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.value(), 0);
  if (address == MAP_FAILED) {
    fail<ModelLoadingError>(ErrorCode::io, "{}: cannot map {} bytes: {}", path, size_, std::strerror(errno));
  }
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release_pages() const {
  if (data_) madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

std::string read_file(const std::string& path, size_t limit_bytes) {
  const Descriptor file(path);
  if (file.size() > limit_bytes) {
    fail<ModelLoadingError>(ErrorCode::overloaded, "{}: {} bytes, expected at most {}; is it the right file?", path,
                            file.size(), limit_bytes);
  }
  std::string content(file.size(), '\0');
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t count = read(file.value(), content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      fail<ModelLoadingError>(ErrorCode::io, "{}: cannot read at byte {}: {}", path, done, std::strerror(errno));
    if (count == 0) break;  // the file became shorter while we read it
    done += static_cast<size_t>(count);
  }
  content.resize(done);
  return content;
}

bool is_file(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool is_folder(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace bgem3
