// Lines are found in one buffer that grows to the longest line and is refilled from the front. Every read is preceded
// by a poll on the input and on the stop descriptor, so that a pipe that says nothing can be left at any time. Inputs
// are opened non-blocking: a named pipe without a writer waits in that poll, not in open().
#include "text_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "failure.h"
#include "json_writer.h"

namespace bgem3::cli {

namespace {

constexpr size_t kBlockBytes = size_t{256} << 10;
constexpr int kIdleMilliseconds = 50;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

std::string name_of(const std::string& file) { return file == "-" ? "stdin" : file; }

}  // namespace

TextReader::TextReader(InputOptions options, int stop_fd)
    : options_(std::move(options)), parser_(options_.text_field, options_.id_field), stop_fd_(stop_fd) {
  if (options_.files.empty()) options_.files.push_back("-");
  for (const std::string& file : options_.files) {
    struct stat status;
    const bool standard = file == "-";
    if ((standard ? fstat(STDIN_FILENO, &status) : stat(file.c_str(), &status)) != 0 ||
        (!standard && access(file.c_str(), R_OK) != 0)) {
      throw InputError(fmt::format("cannot read {}: {}", name_of(file), std::strerror(errno)));
    }
    if (S_ISDIR(status.st_mode)) throw InputError(fmt::format("cannot read {}: it is a folder", name_of(file)));
    if (S_ISREG(status.st_mode) && bytes_total_) {
      *bytes_total_ += static_cast<uint64_t>(status.st_size);
    } else {
      bytes_total_.reset();
    }
  }
  if (std::count(options_.files.begin(), options_.files.end(), "-") > 1) {
    throw UsageError("standard input (-) can be read only once");
  }
}

TextReader::~TextReader() {
  if (fd_ > STDIN_FILENO) close(fd_);
}

bool TextReader::open_next_file() {
  if (fd_ > STDIN_FILENO) close(fd_);
  fd_ = -1;
  if (next_file_ == options_.files.size()) return false;
  const std::string& path = options_.files[next_file_++];
  file_ = name_of(path);
  fd_ = path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd_ < 0) throw InputError(fmt::format("cannot read {}: {}", file_, std::strerror(errno)));
  at_file_start_ = true;
  at_file_end_ = dropping_ = false;
  format_.reset();
  line_ = 0;
  return true;
}

ReadResult TextReader::fill(bool wait) {
  // Room for a block and the padding: first by moving what is left to the front, then by growing.
  if (buffer_.size() < end_ + kBlockBytes + kJsonPadding) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    scanned_ -= begin_;
    begin_ = 0;
    if (buffer_.size() < end_ + kBlockBytes + kJsonPadding) {
      buffer_.resize(std::max(2 * buffer_.size(), end_ + kBlockBytes + kJsonPadding));
    }
  }
  while (true) {
    pollfd fds[] = {{fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};  // poll ignores a negative descriptor
    const int ready = poll(fds, 2, wait ? -1 : kIdleMilliseconds);
    if (ready < 0 && errno != EINTR) throw InputError(fmt::format("cannot read {}: {}", file_, std::strerror(errno)));
    if (ready < 0) continue;
    if (fds[1].revents != 0) return ReadResult::stopped;
    if (ready == 0) return ReadResult::idle;

    const ssize_t count = read(fd_, buffer_.data() + end_, kBlockBytes);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) throw InputError(fmt::format("cannot read {}: {}", file_, std::strerror(errno)));
    at_file_end_ = count == 0;
    end_ += static_cast<size_t>(count);
    bytes_read_ += static_cast<uint64_t>(count);
    return ReadResult::record;
  }
}

ReadResult TextReader::next_line(Line& line, bool wait) {
  while (true) {
    if (fd_ < 0 && !open_next_file()) return ReadResult::end;
    if (at_file_start_ && (end_ - begin_ >= kByteOrderMark.size() || at_file_end_)) {
      at_file_start_ = false;
      if (std::string_view(buffer_.data() + begin_, end_ - begin_).starts_with(kByteOrderMark)) {
        begin_ += kByteOrderMark.size();
        scanned_ = std::max(scanned_, begin_);
      }
    }
    const char* from = buffer_.data() + scanned_;
    const void* newline = end_ > scanned_ ? std::memchr(from, '\n', end_ - scanned_) : nullptr;
    const size_t line_end = newline ? static_cast<size_t>(static_cast<const char*>(newline) - buffer_.data()) : end_;
    const bool complete = newline || (at_file_end_ && (end_ > begin_ || dropping_));

    if (complete) {
      line.bytes = {buffer_.data() + begin_, line_end - begin_};
      line.too_long = dropping_ || line.bytes.size() > options_.limit_bytes;
      dropping_ = false;
      begin_ = scanned_ = newline ? line_end + 1 : end_;
      ++line_;
      if (line.bytes.ends_with('\r')) line.bytes.remove_suffix(1);
      return ReadResult::record;
    }
    if (at_file_end_) {
      if (line_ == 0 && detect("") == InputFormat::document) {  // an empty document is one, too
        line = Line();
        ++line_;
        return ReadResult::record;
      }
      if (!open_next_file()) return ReadResult::end;
      continue;
    }
    scanned_ = end_;
    if (end_ - begin_ > options_.limit_bytes) {  // forget it, but remember that there was one
      dropping_ = true;
      begin_ = end_;
    }
    const ReadResult result = fill(wait);
    if (result != ReadResult::record) return result;
  }
}

// All of the file from begin_ on.
ReadResult TextReader::next_document(Line& line, bool wait) {
  while (!at_file_end_) {
    if (end_ - begin_ > options_.limit_bytes) {
      dropping_ = true;
      begin_ = scanned_ = end_;
    }
    const ReadResult result = fill(wait);
    if (result != ReadResult::record) return result;
  }
  line.bytes = {buffer_.data() + begin_, end_ - begin_};
  line.too_long = dropping_ || line.bytes.size() > options_.limit_bytes;
  dropping_ = false;
  begin_ = scanned_ = end_;
  format_.reset();
  return ReadResult::record;
}

InputFormat TextReader::detect(std::string_view first_line) const {
  if (options_.format != InputFormat::detect) return options_.format;
  if (file_.ends_with(".jsonl") || file_.ends_with(".ndjson")) return InputFormat::jsonl;
  if (file_.ends_with(".txt") || file_.ends_with(".md")) return options_.plain;
  const size_t first = first_line.find_first_not_of(" \t");
  return first != std::string_view::npos && first_line[first] == '{' ? InputFormat::jsonl : options_.plain;
}

ReadResult TextReader::next(Record& record, bool wait) {
  Line line;
  InputFormat format;
  do {
    if (format_ != InputFormat::document) {
      const ReadResult result = next_line(line, wait);
      if (result != ReadResult::record) return result;
      if (!format_) {
        format_ = detect(line.bytes);
        if (*format_ == InputFormat::document) {  // the line was its first
          dropping_ = line.too_long;
          if (line.bytes.data()) begin_ = static_cast<size_t>(line.bytes.data() - buffer_.data());
        }
      }
    }
    format = *format_;
    if (format == InputFormat::document) {
      const ReadResult result = next_document(line, wait);
      if (result != ReadResult::record) return result;
    }
  } while (format == InputFormat::jsonl && !line.too_long && is_blank(line.bytes));

  record = Record();
  record.file = file_;
  record.line = line_;
  record.row = row_++;
  if (line.too_long) {
    record.reason = fmt::format("the {} is longer than {} bytes", format == InputFormat::document ? "document" : "line",
                                options_.limit_bytes);
  } else if (format == InputFormat::jsonl) {
    record.reason = parser_.parse(line.bytes, record.text, record.id);
  } else {
    record.text = line.bytes;
  }
  if (format == InputFormat::document) record.id = json_string(file_);
  record.has_own_id = !record.id.empty();
  if (!record.has_own_id) record.id = std::to_string(record.row);
  return ReadResult::record;
}

}  // namespace bgem3::cli
