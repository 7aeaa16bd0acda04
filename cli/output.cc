#include "output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "failure.h"

namespace bgem3::cli {

namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// The file a symbolic link leads to, so that the rename replaces the file and not the link.
std::string resolve(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_symlink(path, ignored)) return path;
  const auto target = std::filesystem::weakly_canonical(path, ignored);
  return ignored ? path : target.string();
}

}  // namespace

OutputKind check_output(const std::string& path, bool overwrite, const std::vector<std::string>& inputs) {
  if (path.empty() || path == "-") return OutputKind::standard;
  struct stat status;
  const bool exists = stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) {
    throw UsageError(fmt::format("output {} is a folder; name a file in it (.npy, .npz or .jsonl)", path));
  }
  const OutputKind kind = path.ends_with(".npy")   ? OutputKind::npy
                          : path.ends_with(".npz") ? OutputKind::npz
                                                   : OutputKind::jsonl;
  if (kind == OutputKind::jsonl && !path.ends_with(".jsonl")) {
    throw UsageError(fmt::format("output {}: expected a name that ends in .npy, .npz or .jsonl", path));
  }
  for (const std::string& input : inputs) {
    struct stat other;
    const bool known = input == "-" ? fstat(STDIN_FILENO, &other) == 0 : stat(input.c_str(), &other) == 0;
    if (exists && known && same_file(status, other)) {
      throw UsageError(fmt::format("output {} is also an input; choose another name", path));
    }
  }
  if (exists && S_ISREG(status.st_mode) && !overwrite) {
    throw UsageError(fmt::format("output {} is there already; remove it or pass --overwrite", path));
  }
  if (exists && !S_ISREG(status.st_mode) && appears_whole(kind)) {
    throw UsageError(fmt::format("output {} is not a plain file, as {} needs; use .jsonl or -o -", path,
                                 kind == OutputKind::npy ? ".npy" : ".npz"));
  }
  // An .npy is always written beside the old one, so its folder must be writable even if the file is there.
  const bool new_name = !exists || appears_whole(kind);
  const std::string target = new_name ? folder_of(resolve(path)) : path;
  std::error_code ignored;
  if (new_name && std::filesystem::exists(target, ignored) && !std::filesystem::is_directory(target, ignored)) {
    throw OutputError(fmt::format("cannot write {}: {} is not a folder", path, target));
  }
  if (access(target.c_str(), new_name ? W_OK | X_OK : W_OK) != 0) {
    throw OutputError(fmt::format("cannot write {}: {}: {}", path, target, std::strerror(errno)));
  }
  return kind;
}

OutputFile::OutputFile(int fd, std::string name, bool regular) : fd_(fd), name_(std::move(name)), regular_(regular) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      name_(std::move(other.name_)),
      regular_(other.regular_),
      buffer_(std::move(other.buffer_)),
      record_ends_(std::move(other.record_ends_)),
      written_(other.written_) {}

OutputFile::~OutputFile() {
  if (fd_ > STDERR_FILENO) close(fd_);
}

OutputFile OutputFile::standard() { return OutputFile(STDOUT_FILENO, "standard output", false); }

OutputFile OutputFile::create(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    throw OutputError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  }
  return OutputFile(fd, path, S_ISREG(status.st_mode));
}

void OutputFile::write(std::string_view record) {
  buffer_ += record;
  record_ends_.push_back(buffer_.size());
  if (buffer_.size() >= kBufferBytes) flush();
}

void OutputFile::flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t count = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error = errno;
      if (regular_) {  // keep whole records only
        const auto after = std::upper_bound(record_ends_.begin(), record_ends_.end(), done);
        const size_t kept = after == record_ends_.begin() ? 0 : *(after - 1);
        [[maybe_unused]] const int cut = ftruncate(fd_, static_cast<off_t>(written_ + kept));
      }
      fail(error);
    }
    done += static_cast<size_t>(count);
  }
  written_ += done;
  buffer_.clear();
  record_ends_.clear();
}

void OutputFile::finish() {
  flush();
  if (fd_ <= STDERR_FILENO) return;
  if (regular_ && fsync(fd_) != 0) fail(errno);
  if (close(std::exchange(fd_, -1)) != 0) fail(errno);
}

void OutputFile::fail(int error) {
  buffer_.clear();
  record_ends_.clear();
  if (error == EPIPE) throw OutputClosed();
  throw OutputError(fmt::format("cannot write {}: {}", name_, std::strerror(error)));
}

AtomicFile::AtomicFile(const std::string& path)
    : path_(resolve(path)),
      temporary_(fmt::format("{}.tmp-{}", path_, getpid())),
      file_(OutputFile::create(temporary_)) {}

AtomicFile::~AtomicFile() {
  if (!published_) unlink(temporary_.c_str());
}

void AtomicFile::overwrite_start(std::string_view bytes) {
  file_.flush();
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = pwrite(file_.fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) file_.fail(errno);
    done += static_cast<size_t>(count);
  }
}

void AtomicFile::publish() {
  file_.finish();
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    throw OutputError(fmt::format("cannot rename {} to {}: {}", temporary_, path_, std::strerror(errno)));
  }
  published_ = true;
  const std::string folder = folder_of(path_);
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP);  // some systems cannot
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!synced) throw OutputError(fmt::format("cannot sync folder {}: {}", folder, std::strerror(error)));
}

}  // namespace bgem3::cli
