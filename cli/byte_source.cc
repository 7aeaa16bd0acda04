#include "byte_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "failure.h"

namespace bgem3::cli {

namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;

class PlainFile : public ByteSource {
 public:
  explicit PlainFile(const std::string& path) : ByteSource(path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not make it wait
    if (fd < 0) fail(std::strerror(errno));
    file_.reset(fdopen(fd, "r"));
    struct stat status;
    if (!file_ || fstat(fd, &status) != 0) fail(std::strerror(errno));
    if (!S_ISREG(status.st_mode)) fail("not a plain file");
    size_bytes_ = static_cast<uint64_t>(status.st_size);
    std::setvbuf(file_.get(), nullptr, _IOFBF, kBufferBytes);
  }

  void read(void* to, size_t bytes) override {
    if (bytes == 0 || std::fread(to, 1, bytes, file_.get()) == bytes) return;
    fail(std::ferror(file_.get()) ? std::strerror(errno) : "the file ends too early");
  }

 private:
  struct Close {
    void operator()(FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<FILE, Close> file_;
};

}  // namespace

void ByteSource::fail(std::string_view problem) const {
  throw InputError(fmt::format("cannot read {}: {}", name_, problem));
}

std::unique_ptr<ByteSource> open_file(const std::string& path) { return std::make_unique<PlainFile>(path); }

}  // namespace bgem3::cli
