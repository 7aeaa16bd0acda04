#include "npz.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>
#include <vector>

#include "failure.h"
#include "npy.h"
#include "unicode.h"

namespace bgem3::cli {

namespace {

constexpr size_t kCopyBytes = size_t{1} << 20;

// Where an archive goes. Exceptions do not pass through libarchive: the first is kept.
struct Target {
  OutputFile& file;
  std::exception_ptr error = nullptr;
};

la_ssize_t write_to_target(archive*, void* data, const void* bytes, size_t size) {
  auto* const target = static_cast<Target*>(data);
  try {
    target->file.write({static_cast<const char*>(bytes), size});
    return static_cast<la_ssize_t>(size);
  } catch (...) {
    target->error = std::current_exception();
    return -1;
  }
}

void check(archive* zip, la_ssize_t result) {
  if (result < ARCHIVE_OK) throw OutputError(fmt::format("cannot write the archive: {}", archive_error_string(zip)));
}

class ZipEntry : public ByteSource {
 public:
  ZipEntry(const std::string& path, const std::string& name)
      : ByteSource(path), zip_(archive_read_new(), archive_read_free) {
    // By its table of contents: a file that was cut short has none.
    must_be_ok(archive_read_support_format_zip_seekable(zip_.get()));
    must_be_ok(archive_read_open_filename(zip_.get(), path.c_str(), kCopyBytes));
    archive_entry* entry = nullptr;
    for (int result; (result = archive_read_next_header(zip_.get(), &entry)) != ARCHIVE_EOF;) {
      must_be_ok(result);
      const char* const found = archive_entry_pathname(entry);
      if (!found || name != found) continue;
      name_ = path + ": " + name;
      found_ = true;
      size_bytes_ = left_ = static_cast<uint64_t>(archive_entry_size(entry));
      break;
    }
  }

  bool found() const { return found_; }

  void read(void* to, size_t bytes) override {
    if (bytes > left_) fail("the array ends too early");
    for (size_t done = 0; done < bytes;) {
      const la_ssize_t count = archive_read_data(zip_.get(), static_cast<char*>(to) + done, bytes - done);
      if (count <= 0) fail_damaged(count);
      done += static_cast<size_t>(count);
    }
    left_ -= bytes;
    char more;  // libarchive compares the checksum when it is asked for what follows
    if (left_ > 0 || bytes == 0) return;
    if (const la_ssize_t count = archive_read_data(zip_.get(), &more, 1); count != 0) fail_damaged(count);
  }

 private:
  void must_be_ok(int result) const {
    if (result != ARCHIVE_OK) fail_damaged(result);
  }
  [[noreturn]] void fail_damaged(la_ssize_t result) const {
    const char* const reason = result < 0 ? archive_error_string(zip_.get()) : "another size than it says";
    fail(fmt::format("not a zip archive, or a damaged one ({}); make it again with bgem3 embed",
                     reason ? printable(reason) : "no reason given"));
  }

  std::unique_ptr<archive, decltype(&archive_read_free)> zip_;
  bool found_ = false;
  uint64_t left_ = 0;
};

}  // namespace

NpzWriter::Array::Array(const std::string& output, std::string name, std::string_view type, size_t columns)
    : output_(output), name_(std::move(name)), type_(type), columns_(columns) {
  std::string path = output + ".tmp-XXXXXX";
  const int fd = mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) fail(errno);
  unlink(path.c_str());
  file_.reset(fdopen(fd, "w+"));
  if (!file_) fail(errno);
}

void NpzWriter::Array::append(const void* bytes, size_t size) {
  if (size > 0 && std::fwrite(bytes, 1, size, file_.get()) != size) fail(errno);
  bytes_ += size;
}

void NpzWriter::Array::fail(int error) const {
  throw OutputError(fmt::format("cannot write {}: {}", output_, std::strerror(error)));
}

void NpzWriter::Array::write_to(archive* zip) const {
  const size_t value_bytes = static_cast<size_t>(type_.back() - '0');
  const size_t rows = bytes_ / value_bytes / (columns_ > 0 ? columns_ : 1);
  const std::string header =
      columns_ > 0 ? npy_header(type_, std::vector{rows, columns_}) : npy_header(type_, std::vector{rows});

  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(entry.get(), (name_ + ".npy").c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(header.size() + bytes_));
  check(zip, archive_write_header(zip, entry.get()));
  check(zip, archive_write_data(zip, header.data(), header.size()));
  if (std::fflush(file_.get()) != 0 || std::fseek(file_.get(), 0, SEEK_SET) != 0) fail(errno);
  std::vector<char> piece(kCopyBytes);
  for (size_t left = bytes_; left > 0;) {
    const size_t count = std::fread(piece.data(), 1, std::min(left, piece.size()), file_.get());
    if (count == 0) fail(std::ferror(file_.get()) ? errno : EIO);
    check(zip, archive_write_data(zip, piece.data(), count));
    left -= count;
  }
}

NpzWriter::NpzWriter(const std::string& path) : path_(path) {}
NpzWriter::~NpzWriter() = default;

NpzWriter::Array& NpzWriter::add(std::string name, std::string_view type, size_t columns) {
  arrays_.push_back(Array(path_, std::move(name), type, columns));
  return arrays_.back();
}

void NpzWriter::publish() {
  AtomicFile file(path_);
  Target target{file.out()};
  {
    const std::unique_ptr<archive, decltype(&archive_write_free)> zip(archive_write_new(), archive_write_free);
    try {
      check(zip.get(), archive_write_set_format_zip(zip.get()));
      check(zip.get(), archive_write_zip_set_compression_store(zip.get()));
      check(zip.get(), archive_write_set_bytes_in_last_block(zip.get(), 1));  // no padding
      check(zip.get(), archive_write_open(zip.get(), &target, nullptr, write_to_target, nullptr));
      for (const Array& array : arrays_) array.write_to(zip.get());
      check(zip.get(), archive_write_close(zip.get()));
    } catch (const OutputError&) {
      archive_write_fail(zip.get());
      if (target.error) std::rethrow_exception(target.error);
      throw;
    }
  }
  file.publish();
}

std::unique_ptr<ByteSource> open_npz_array(const std::string& path, const std::string& name) {
  open_file(path);  // a plain file, or this says what it is
  auto entry = std::make_unique<ZipEntry>(path, name + ".npy");
  return entry->found() ? std::move(entry) : nullptr;
}

}  // namespace bgem3::cli
