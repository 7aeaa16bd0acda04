// Where results go: a buffered descriptor, and a file that appears only when it is whole.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bgem3::cli {

enum class OutputKind { standard, jsonl, npy, npz };

// .npy and .npz appear whole when all is done; the others grow record by record.
constexpr bool appears_whole(OutputKind kind) { return kind == OutputKind::npy || kind == OutputKind::npz; }

// What `-o PATH` means: "" and "-" are standard output, the others go by their ending. Before any work is done, it
// refuses what could only fail later: UsageError for an unknown ending, a folder or an input as output, or a file that
// is there without `overwrite`; OutputError for a place that cannot be written.
OutputKind check_output(const std::string& path, bool overwrite, const std::vector<std::string>& inputs);

// Writes bytes to a descriptor through a buffer. Every call throws OutputError if the system refuses (a full disk), or
// OutputClosed if the reader of a pipe has gone.
class OutputFile {
 public:
  static OutputFile standard();
  static OutputFile create(const std::string& path);  // what was there is emptied
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();  // closes; whatever was not flushed is lost

  // Whole records only: if writing fails, a file is cut behind the last record that fitted.
  void write(std::string_view record);
  void flush();
  // Flushes, makes the bytes durable and closes.
  void finish();

 private:
  friend class AtomicFile;
  OutputFile(int fd, std::string name, bool regular);
  [[noreturn]] void fail(int error);

  int fd_;
  std::string name_;
  bool regular_;  // a plain file: can be cut and synced
  std::string buffer_;
  std::vector<size_t> record_ends_;  // in the buffer
  uint64_t written_ = 0;             // bytes in the file, all of whole records
};

// A new file that takes its name only when it is complete: written beside it, synced, renamed, the folder synced.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();  // not published: removes what was written

  OutputFile& out() { return file_; }
  // Replaces bytes at the start of the file.
  void overwrite_start(std::string_view bytes);
  void publish();

 private:
  std::string path_;
  std::string temporary_;
  OutputFile file_;
  bool published_ = false;
};

}  // namespace bgem3::cli
