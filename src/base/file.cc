#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <utility>

#include "base/error.h"

namespace bgem3 {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t nanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }

// Reads until `out` is full or the file ends; returns the bytes read, or -1 with errno.
ssize_t read_fully(int descriptor, size_t offset, std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = pread(descriptor, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace

bool is_settled(const FileIdentity& identity) {
  constexpr int64_t kCoarsestClock = 2 * kSecond;  // of FAT; of others milliseconds
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now) - identity.changed_ns > kCoarsestClock;
}

// O_NONBLOCK: opening a pipe without a writer must not hang.
OpenFile::OpenFile(const std::string& path)
    : path_(path), descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_ < 0) {
    const auto code = errno == ENOENT || errno == ENOTDIR ? ErrorCode::not_found : ErrorCode::io;
    fail<ModelLoadingError>(code, "{}: cannot open: {}", path, std::strerror(errno));
  }
  struct stat status;
  if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    const bool folder = S_ISDIR(status.st_mode);
    close(descriptor_);
    fail<ModelLoadingError>(ErrorCode::io, "{}: expected a regular file, found {}", path,
                            folder ? "a folder" : "a pipe, socket or device");
  }
  identity_ = {.device = status.st_dev,
               .inode = status.st_ino,
               .size_bytes = static_cast<uint64_t>(status.st_size),
               .modified_ns = nanoseconds(status.st_mtim),
               .changed_ns = nanoseconds(status.st_ctim)};
}

OpenFile::~OpenFile() { close(descriptor_); }

void OpenFile::read_at(size_t offset, std::span<std::byte> out) const {
  const ssize_t count = read_fully(descriptor_, offset, out);
  if (count < 0) {
    fail<InferenceError>(ErrorCode::io, "{}: cannot read {} bytes at byte {}: {}", path_, out.size(), offset,
                         std::strerror(errno));
  }
  if (static_cast<size_t>(count) < out.size()) {
    fail<InferenceError>(ErrorCode::io,
                         "{}: expected {} bytes at byte {}, found {}; the file was cut short while it was in use: "
                         "open the model again",
                         path_, out.size(), offset, count);
  }
}

MappedFile::MappedFile(const std::string& path) : file_(std::make_shared<const OpenFile>(path)), size_(file_->size()) {
  if (size_ == 0) return;  // mmap refuses an empty range; the view is empty
  void* address = mmap(nullptr, size_, PROT_READ, MAP_SHARED, file_->descriptor(), 0);
  if (address == MAP_FAILED) {
    fail<ModelLoadingError>(ErrorCode::io, "{}: cannot map {} bytes: {}", path, size_, std::strerror(errno));
  }
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : file_(other.file_), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(file_, other.file_);
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
  const OpenFile file(path);
  if (file.size() > limit_bytes) {
    fail<ModelLoadingError>(ErrorCode::overloaded, "{}: {} bytes, expected at most {}; is it the right file?", path,
                            file.size(), limit_bytes);
  }
  std::string content(file.size(), '\0');
  const ssize_t count = read_fully(file.descriptor(), 0, std::as_writable_bytes(std::span(content)));
  if (count < 0) fail<ModelLoadingError>(ErrorCode::io, "{}: cannot read: {}", path, std::strerror(errno));
  content.resize(static_cast<size_t>(count));  // the file may have become shorter while we read it
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

FileWriter::FileWriter(const std::string& path) : path_(path), part_(path + ".part") {
  const auto refuse = [&](const char* what) {
    const int error = errno;
    if (descriptor_ >= 0) close(descriptor_);
    fail<ModelLoadingError>(ErrorCode::io, "{}: cannot {}: {}", part_, what, std::strerror(error));
  };
  for (;;) {
    descriptor_ = open(part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (descriptor_ < 0) refuse("open for writing");
    while (flock(descriptor_, LOCK_EX) != 0) {
      if (errno != EINTR) refuse("lock");
    }
    // The process we waited for has published or removed the file we locked: then it is not ours to write.
    struct stat locked, there;
    if (fstat(descriptor_, &locked) != 0) refuse("look at");
    if (stat(part_.c_str(), &there) == 0 && there.st_dev == locked.st_dev && there.st_ino == locked.st_ino) break;
    close(descriptor_);
  }
  if (ftruncate(descriptor_, 0) != 0) refuse("empty");
}

FileWriter::~FileWriter() {
  if (descriptor_ < 0) return;
  unlink(part_.c_str());
  close(descriptor_);
}

void FileWriter::put(size_t offset, std::span<const std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count =
        pwrite(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      fail<ModelLoadingError>(ErrorCode::io, "{}: cannot write at byte {}: {}", part_, offset + done,
                              std::strerror(errno));
    }
    done += static_cast<size_t>(count);
  }
}

void FileWriter::write(std::span<const std::byte> bytes) {
  put(size_, bytes);
  // Start writing to the disk now, so that publish() waits for little.
  sync_file_range(descriptor_, static_cast<off_t>(size_), static_cast<off_t>(bytes.size()), SYNC_FILE_RANGE_WRITE);
  size_ += bytes.size();
}

void FileWriter::write_at(size_t offset, std::span<const std::byte> bytes) {
  BGEM3_CHECK(offset <= size_ && bytes.size() <= size_ - offset);
  put(offset, bytes);
}

void FileWriter::publish() {
  if (fsync(descriptor_) != 0 || rename(part_.c_str(), path_.c_str()) != 0) {
    fail<ModelLoadingError>(ErrorCode::io, "{}: cannot store: {}", path_, std::strerror(errno));
  }
  close(descriptor_);
  descriptor_ = -1;
}

namespace {

enum class Unfinished { none, left_behind, being_written, unknown };

// What there is at `part`, and the descriptor that keeps it locked if it was left behind; the caller closes it.
Unfinished look_at_unfinished(const std::string& part, int& descriptor) {
  descriptor = open(part.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) return errno == ENOENT ? Unfinished::none : Unfinished::unknown;
  Unfinished found = Unfinished::being_written;
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
    // What we locked may have been published since it was opened, and the name be another writer's now.
    struct stat locked, there;
    const bool same = fstat(descriptor, &locked) == 0 && stat(part.c_str(), &there) == 0 &&
                      there.st_dev == locked.st_dev && there.st_ino == locked.st_ino;
    if (same) return Unfinished::left_behind;
    found = Unfinished::none;
  }
  close(descriptor);
  return found;
}

}  // namespace

bool is_being_written(const std::string& path) {
  int descriptor = -1;
  const Unfinished found = look_at_unfinished(path + ".part", descriptor);
  if (found == Unfinished::left_behind) close(descriptor);
  return found == Unfinished::being_written;
}

bool remove_unfinished(const std::string& path) {
  const std::string part = path + ".part";
  int descriptor = -1;
  const Unfinished found = look_at_unfinished(part, descriptor);
  if (found == Unfinished::none || found == Unfinished::being_written) return false;
  int error = errno;
  if (found == Unfinished::left_behind) {
    // A writer that waits for the lock will find that its file is gone, and make another.
    error = unlink(part.c_str()) == 0 ? 0 : errno;
    close(descriptor);
  }
  if (error != 0) fail<ModelLoadingError>(ErrorCode::io, "{}: cannot delete: {}", part, std::strerror(error));
  return true;
}

void make_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || !is_folder(path)) {
    fail<ModelLoadingError>(ErrorCode::io, "{}: cannot make the folder: {}", path,
                            error ? error.message() : "there is a file");
  }
}

}  // namespace bgem3
