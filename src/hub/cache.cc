#include "hub/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "hub/names.h"
#include "model/messages.h"
#include "model/model_files.h"

namespace bgem3 {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCacheTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file is a cache directory tag created by bgem3 for the Hugging Face cache.\n"
    "# For information about cache directory tags see https://bford.info/cachedir/\n";

[[noreturn]] void cannot(const char* what, const std::string& path, int error) {
  fail<ModelLoadingError>(ErrorCode::io, "{}: cannot {}: {}", path, what, std::strerror(error));
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// A name for what becomes `path` in one step, its own for every process.
std::string temporary_name(const std::string& path) { return fmt::format("{}.{}.tmp", path, getpid()); }

void rename_or_fail(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return;
  const int error = errno;
  unlink(from.c_str());
  cannot("put the file in its place", to, error);
}

}  // namespace

RepositoryCache::RepositoryCache(std::string cache, const std::string& repository, bool symlinks)
    : cache_(std::move(cache)), symlinks_(symlinks) {
  while (cache_.size() > 1 && cache_.ends_with('/')) cache_.pop_back();
  const std::string name = repository_folder_name(repository);
  folder_ = fmt::format("{}/{}", cache_, name);
  locks_ = fmt::format("{}/.locks/{}", cache_, name);
}

std::string RepositoryCache::below(std::string_view folder, std::string_view name) const {
  if (!is_name_below(name)) {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: the name {} leaves its folder; is it the right repository?",
                            folder_, quote(name));
  }
  return fmt::format("{}/{}/{}", folder_, folder, name);
}

std::string RepositoryCache::snapshot(std::string_view commit) const { return below("snapshots", commit); }

std::string RepositoryCache::snapshot_path(std::string_view commit, std::string_view name) const {
  return below(fmt::format("snapshots/{}", commit), name);
}

std::string RepositoryCache::blob_path(std::string_view etag) const { return below("blobs", etag); }

std::string RepositoryCache::lock_path(std::string_view etag) const { return fmt::format("{}/{}.lock", locks_, etag); }

void RepositoryCache::prepare() const {
  make_folders(folder_ + "/blobs");
  make_folders(locks_);
  const std::string tag = cache_ + "/CACHEDIR.TAG";
  const int file = open(tag.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return;  // it is there; or it cannot be, which harms nobody but backups
  [[maybe_unused]] const ssize_t written = write(file, kCacheTag, std::strlen(kCacheTag));
  close(file);
}

uint64_t RepositoryCache::free_bytes() const {
  struct statvfs status;
  if (statvfs(folder_.c_str(), &status) != 0) return UINT64_MAX;  // then writing will tell
  return uint64_t{status.f_bavail} * status.f_frsize;
}

void RepositoryCache::add(std::string_view commit, std::string_view name, std::string_view etag, bool fresh) const {
  const std::string path = snapshot_path(commit, name);
  const std::string blob = blob_path(etag);
  make_folders(folder_of(path));
  std::string target = "../../blobs/" + std::string(etag);
  for (auto slashes = std::count(name.begin(), name.end(), '/'); slashes > 0; slashes--) target.insert(0, "../");
  const std::string temporary = temporary_name(path);
  unlink(temporary.c_str());
  if (symlinks_ && symlink(target.c_str(), temporary.c_str()) == 0) return rename_or_fail(temporary, path);
  if (symlinks_ && errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EACCES) {
    cannot("make a symbolic link", path, errno);
  }
  if (fresh) return rename_or_fail(blob, path);
  std::error_code error;
  fs::copy_file(blob, temporary, fs::copy_options::overwrite_existing, error);
  if (error) {
    unlink(temporary.c_str());
    cannot("copy the file here", path, error.value());
  }
  rename_or_fail(temporary, path);
}

std::string RepositoryCache::etag_of(std::string_view commit, std::string_view name) const {
  std::error_code error;
  const fs::path target = fs::read_symlink(snapshot_path(commit, name), error);
  if (error || target.parent_path().filename() != "blobs") return {};
  return target.filename();
}

void RepositoryCache::write_reference(std::string_view revision, std::string_view commit) const {
  const std::string path = below("refs", revision);
  constexpr size_t kLongest = 1024;
  try {
    if (is_file(path) && read_file(path, kLongest) == commit) return;
  } catch (const ModelLoadingError&) {  // then it is written anew
  }
  make_folders(folder_of(path));
  const std::string temporary = temporary_name(path);
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (file < 0) cannot("write the reference", temporary, errno);
  const bool written = write(file, commit.data(), commit.size()) == static_cast<ssize_t>(commit.size());
  const int error = errno;
  close(file);
  if (!written) {
    unlink(temporary.c_str());
    cannot("write the reference", temporary, error);
  }
  rename_or_fail(temporary, path);
}

bool RepositoryCache::has_reference(std::string_view revision) const { return is_file(below("refs", revision)); }

void RepositoryCache::mark_absent(std::string_view commit, std::string_view name) const {
  const std::string path = below(fmt::format(".no_exist/{}", commit), name);
  make_folders(folder_of(path));
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (file < 0) cannot("remember that the file does not exist", path, errno);
  close(file);
}

bool RepositoryCache::is_marked_absent(std::string_view commit, std::string_view name) const {
  return is_file(below(fmt::format(".no_exist/{}", commit), name));
}

BlobLock::BlobLock(const std::string& path, std::stop_token stop, const Notice& notice, std::string_view what) {
  constexpr auto kNextLook = std::chrono::milliseconds(100);
  constexpr mode_t kMode = 0664;  // others who share the cache may wait too
  bool told = false;
  while (true) {
    descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, kMode);
    if (descriptor_ < 0) cannot("open the lock", path, errno);
    fchmod(descriptor_, kMode);  // past the umask, where the file is ours
    while (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      if (error == EINTR) continue;
      if (error != EWOULDBLOCK && error != EACCES) {
        exclusive_ = false;
        return;
      }
      if (!told) notice(fmt::format("{}: another process is downloading it; waiting", what));
      told = true;
      if (stop.stop_requested()) {
        close(descriptor_);
        fail<EmbeddingGenerationError>(ErrorCode::cancelled, "{}: stopped", path);
      }
      std::this_thread::sleep_for(kNextLook);
    }
    // Who held it may have removed it: then another file is the lock now.
    struct stat locked;
    if (fstat(descriptor_, &locked) != 0 || locked.st_nlink > 0) return;
    close(descriptor_);
  }
}

BlobLock::~BlobLock() { close(descriptor_); }

}  // namespace bgem3
