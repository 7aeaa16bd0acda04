// A download is a loop of requests, each for the bytes that are still missing. What may go wrong between two of them
// (a cut connection, an expired address, a server that has trouble) leads to the next round; only rounds that bring
// nothing count as failures.
#include "hub/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "hub/names.h"
#include "model/messages.h"

namespace bgem3 {
namespace {

constexpr uint64_t kWriteback = 8 << 20;  // libcurl hands over 16 KiB at a time

std::string partial_path(const RepositoryCache& cache, const std::string& etag) {
  return cache.blob_path(etag) + ".incomplete";
}

// blobs/<etag>.incomplete while it is written, with the hash of what is in it.
class PartialFile {
 public:
  // `shared`: nothing keeps others from writing the same file, so this one gets a name of its own and ends with us.
  PartialFile(const RepositoryCache& cache, const Target& target, bool shared)
      : target_(target),
        blob_(cache.blob_path(target.file.etag)),
        path_(partial_path(cache, target.file.etag)),
        temporary_(shared) {
    if (shared) path_ = fmt::format("{}.{:08x}.incomplete", blob_, static_cast<unsigned>(getpid()));
    descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (shared ? O_TRUNC : 0), 0666);
    if (descriptor_ < 0) cannot("open", errno);
    restart_hash();
  }
  ~PartialFile() {
    if (temporary_) unlink(path_.c_str());
    close(descriptor_);
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  uint64_t size() const { return size_; }

  // Takes what an earlier call left, unless it is more than the file can have.
  void go_on(const std::stop_token& stop) {
    struct stat status;
    if (fstat(descriptor_, &status) != 0) cannot("look at", errno);
    if (static_cast<uint64_t>(status.st_size) > target_.file.size_bytes) return restart();
    std::vector<std::byte> block(size_t{1} << 20);
    while (size_ < static_cast<uint64_t>(status.st_size)) {
      if (stop.stop_requested()) fail<EmbeddingGenerationError>(ErrorCode::cancelled, "{}: stopped", path_);
      const ssize_t count = pread(descriptor_, block.data(), block.size(), static_cast<off_t>(size_));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) cannot("read", errno);
      if (count == 0) break;
      hash_->add(std::span(block).first(static_cast<size_t>(count)));
      size_ += static_cast<uint64_t>(count);
    }
  }

  void restart() {
    if (ftruncate(descriptor_, 0) != 0) cannot("empty", errno);
    size_ = given_to_disk_ = 0;
    restart_hash();
  }

  void append(std::span<const std::byte> bytes) {
    if (bytes.size() > target_.file.size_bytes - size_) {
      refuse("the hub", fmt::format("{} bytes", target_.file.size_bytes), "more");
    }
    hash_->add(bytes);
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t count = pwrite(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(size_));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) cannot("write", errno);
      done += static_cast<size_t>(count);
      size_ += static_cast<uint64_t>(count);
    }
    start_writeback();
  }

  // Gives it its name, if it is what was promised.
  void publish() {
    if (const auto mismatch = hash_->finish()) refuse(mismatch->source, mismatch->expected, mismatch->found);
    if (fsync(descriptor_) != 0) cannot("write", errno);
    if (rename(path_.c_str(), blob_.c_str()) != 0) cannot("rename", errno);
    temporary_ = false;
  }

  // Removes what can never become the file.
  [[noreturn]] void refuse(std::string_view source, std::string_view expected, std::string_view found) {
    unlink(path_.c_str());
    fail<ModelLoadingError>(
        ErrorCode::corrupt,
        "{}: file {}: {} says {}, what was received has {}; it was removed: try again, and check what "
        "stands between (HF_ENDPOINT, a proxy)",
        target_.repository, quote(target_.file.name), source, expected, found);
  }

 private:
  // Lets the disk begin with what was written since the last time, if that is enough, so that publish() waits for
  // little.
  void start_writeback() {
    if (size_ - given_to_disk_ < kWriteback) return;
    sync_file_range(descriptor_, static_cast<off_t>(given_to_disk_), static_cast<off_t>(size_ - given_to_disk_),
                    SYNC_FILE_RANGE_WRITE);
    given_to_disk_ = size_;
  }

  void restart_hash() { hash_.emplace(target_.file.etag, target_.published, target_.file.size_bytes); }

  [[noreturn]] void cannot(const char* what, int error) const {
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
      fail<ModelLoadingError>(
          ErrorCode::io,
          "{}: cannot write: {}; {} of {} bytes are there: make room and try again to go on, or delete "
          "the file",
          path_, std::strerror(error), size_, target_.file.size_bytes);
    }
    fail<ModelLoadingError>(ErrorCode::io, "{}: cannot {}: {}", path_, what, std::strerror(error));
  }

  const Target& target_;
  std::string blob_, path_;
  bool temporary_;
  int descriptor_ = -1;
  uint64_t size_ = 0, given_to_disk_ = 0;
  std::optional<ContentHash> hash_;
};

// What one answer is good for; it puts the file at the place where the body goes.
void begin_body(const HttpResponse& response, const Target& target, PartialFile& partial, HubClient& hub,
                Meter& meter) {
  const std::string& name = target.file.name;
  const auto lie = [&](const std::string& what) {
    fail<ModelLoadingError>(ErrorCode::corrupt,
                            "{}: file {}: {}, but the hub says {} bytes; check what stands between "
                            "(HF_ENDPOINT, a proxy)",
                            target.repository, quote(name), what, target.file.size_bytes);
  };
  if (response.status == 206) {
    const auto range = parse_content_range(response.header("content-range"));
    if (!range || range->first != partial.size()) {
      lie(fmt::format("asked for bytes from {} on, the answer has {}", partial.size(),
                      quote(response.header("content-range"))));
    }
    if (range->total && *range->total != target.file.size_bytes)
      lie(fmt::format("the server has {} bytes", *range->total));
    return;
  }
  const std::string length = response.header("content-length");
  if (!length.empty() && length != std::to_string(target.file.size_bytes)) {
    lie(fmt::format("the server has {} bytes", quote(length)));
  }
  if (partial.size() > 0) {
    hub.notice(fmt::format("{}: the server cannot go on with a part; starting again", name));
    meter.lost(partial.size());
    partial.restart();
  }
}

void receive(HubClient& hub, const Target& target, PartialFile& partial, Meter& meter) {
  const std::string& name = target.file.name;
  const std::string url = hub.content_url(target.repository, target.commit, name);
  Attempts attempts = hub.attempts();
  bool restarted = false;
  uint64_t furthest = partial.size();  // bytes transferred again are no progress
  while (partial.size() < target.file.size_bytes) {
    bool begun = false;
    const BodyReader reader = [&](const HttpResponse& response, std::span<const std::byte> piece) {
      if (!begun) begin_body(response, target, partial, hub, meter);
      begun = true;
      partial.append(piece);
      meter.transferred(piece.size());
      if (partial.size() > furthest) attempts.progressed();
      furthest = std::max(furthest, partial.size());
    };
    try {
      const HttpResponse response = hub.open_content(target.repository, target.commit, name, partial.size(), reader);
      if (response.ok()) {
        if (partial.size() == target.file.size_bytes) return;
        // An end that comes too early. The hash decides about what is there, once all of it is.
        const std::string what =
            fmt::format("{}: the answer ended after {} of {} bytes", name, partial.size(), target.file.size_bytes);
        if (attempts.again(what)) continue;
        fail<ModelLoadingError>(ErrorCode::io, "{}: {}; try again: what is there is kept", shown_url(response.url),
                                what);
      }
      if (response.status == 416 && !restarted) {  // there is no such part
        restarted = true;
        meter.lost(partial.size());
        partial.restart();
        continue;
      }
      const std::string what = fmt::format("{}: status {}", name, response.status);
      if (hub.may_pass(response) && attempts.again(what, response.retry_after_s)) continue;
      hub.refuse(response, target.repository, target.commit, name);
    } catch (const NetworkFailure& failure) {
      if (hub.may_pass(failure) && attempts.again(fmt::format("{}: {}", name, failure.what()))) continue;
      hub.refuse(failure, url);
    }
  }
}

}  // namespace

void Meter::transferred(uint64_t bytes) {
  progress_.bytes_done += bytes;
  progress_.bytes_transferred += bytes;
  tell();
}

void Meter::tell() {
  if (start_) progress_.seconds = std::chrono::duration<double>(Clock::now() - *start_).count();
  if (watch_) watch_(progress_);
}

uint64_t partial_bytes(const RepositoryCache& cache, const HubFile& file) {
  struct stat status;
  if (lstat(partial_path(cache, file.etag).c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  const auto bytes = static_cast<uint64_t>(status.st_size);
  return bytes <= file.size_bytes ? bytes : 0;
}

uint64_t download(HubClient& hub, const RepositoryCache& cache, const Target& target, std::stop_token stop,
                  Meter& meter, const std::function<bool(const std::string& path)>& is_intact) {
  const HubFile& file = target.file;
  const BlobLock lock(
      cache.lock_path(file.etag), stop, [&](const std::string& what) { hub.notice(what); }, file.name);
  if (is_intact(cache.snapshot_path(target.commit, file.name))) {  // another process was faster
    meter.found(file.size_bytes);
    return 0;
  }
  const std::string blob = cache.blob_path(file.etag);
  const bool fresh = !is_file(blob);
  if (!fresh && is_intact(blob)) {
    meter.found(file.size_bytes);
    cache.add(target.commit, file.name, file.etag, fresh);
    return 0;
  }
  if (!fresh) hub.notice(fmt::format("{}: {} is damaged; downloading it again", file.name, blob));
  PartialFile partial(cache, target, !lock.is_exclusive());
  partial.go_on(stop);
  if (partial.size() > 0) {
    hub.notice(fmt::format("{}: going on after {} of {} bytes", file.name, partial.size(), file.size_bytes));
    meter.found(partial.size());
  }
  const uint64_t before = meter.progress().bytes_transferred;
  meter.start();
  receive(hub, target, partial, meter);
  partial.publish();
  cache.add(target.commit, file.name, file.etag, fresh);
  return meter.progress().bytes_transferred - before;
}

}  // namespace bgem3
