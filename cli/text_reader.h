// The texts of the input, one record at a time. Start at TextReader::next.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bgem3/chunker.h"
#include "json_record.h"

namespace bgem3::cli {

enum class InputFormat {
  lines,     // every line is a text, also an empty one
  jsonl,     // every line that is not blank is a JSON object with a text and, if it likes, an id
  document,  // the whole file is one text; its name is the id
  detect,    // for each file: .jsonl and .ndjson are JSONL, .txt and .md are not; any other is JSONL if it begins with
             // '{'
};

struct InputOptions {
  std::vector<std::string> files;  // "-" is standard input; none: standard input
  InputFormat format = InputFormat::detect;
  InputFormat plain = InputFormat::lines;  // what `detect` takes for a file that is not JSONL
  std::string text_field = "text";
  std::string id_field = "id";
  size_t limit_bytes = size_t{64} << 20;  // a longer line or document is rejected, without being held in memory
};

// Of a record that is a chunk of another record.
struct ChunkOf {
  std::string document;                     // the id of that record, as JSON
  std::shared_ptr<const std::string> text;  // of that record
  bool last = false;                        // of its chunks
  ChunkMetadata metadata;
};

// One text and where it came from.
struct Record {
  std::string file;  // as the user named it; "stdin"
  size_t line = 0;   // in the file, from 1
  size_t row = 0;    // of the whole input, from 0: row i of an .npy
  std::string id;    // as JSON: the record's own, else the row
  bool has_own_id = false;
  std::string text;
  std::string reason;  // why the reader rejects it; empty if it does not
  std::optional<ChunkOf> chunk = {};
};

enum class ReadResult {
  record,   // the next one
  idle,     // the input is a pipe or terminal that has nothing more for now
  stopped,  // the stop descriptor became readable
  end,      // after the last file
};

// Where records come from.
class RecordSource {
 public:
  virtual ~RecordSource() = default;

  // The next record. With `wait` false, `idle` is answered as soon as the input has been quiet for a moment.
  // Throws InputError if the system refuses to read.
  virtual ReadResult next(Record& record, bool wait = true) = 0;

  // For progress: what was read, and the size of all inputs if they are plain files.
  virtual uint64_t bytes_read() const = 0;
  virtual std::optional<uint64_t> bytes_total() const = 0;
};

// Streams the files one after the other: memory is bounded by the longest line or document. A byte order mark at the
// start of a file is skipped; a line ends in LF or CRLF, the last one may lack it.
class TextReader : public RecordSource {
 public:
  // Throws InputError if an input is missing, a folder or not readable: nothing is read yet. `stop_fd` ends waiting for
  // input as soon as it becomes readable; -1: never.
  explicit TextReader(InputOptions options, int stop_fd = -1);
  ~TextReader() override;
  TextReader(const TextReader&) = delete;
  TextReader& operator=(const TextReader&) = delete;

  ReadResult next(Record& record, bool wait = true) override;
  uint64_t bytes_read() const override { return bytes_read_ - (end_ - begin_); }
  std::optional<uint64_t> bytes_total() const override { return bytes_total_; }

 private:
  struct Line {
    std::string_view bytes;  // without its end; valid until the next read
    bool too_long = false;
  };

  bool open_next_file();
  ReadResult next_line(Line& line, bool wait);
  ReadResult next_document(Line& line, bool wait);
  ReadResult fill(bool wait);
  InputFormat detect(std::string_view first_line) const;

  InputOptions options_;
  JsonRecordParser parser_;
  int stop_fd_;
  std::optional<uint64_t> bytes_total_ = 0;

  size_t next_file_ = 0;               // of options_.files
  int fd_ = -1;                        // of the current one
  std::string file_;                   // its name for messages
  bool at_file_start_ = true;          // a byte order mark may follow
  bool at_file_end_ = false;           // all of it is in the buffer
  bool dropping_ = false;              // inside a line or document over the limit
  std::optional<InputFormat> format_;  // known after its first line
  size_t line_ = 0;
  size_t row_ = 0;
  uint64_t bytes_read_ = 0;

  std::vector<char> buffer_;  // [begin_, end_) is not yet consumed; kJsonPadding bytes always follow
  size_t begin_ = 0;
  size_t scanned_ = 0;  // no line end before this
  size_t end_ = 0;
};

}  // namespace bgem3::cli
