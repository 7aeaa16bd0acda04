// Bytes read front to back: those of a file, or of an entry of an archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace bgem3::cli {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // The next `bytes`. Throws InputError if they are not there, or cannot be read.
  virtual void read(void* to, size_t bytes) = 0;

  uint64_t size_bytes() const { return size_bytes_; }
  // Throws InputError: "cannot read NAME: problem".
  [[noreturn]] void fail(std::string_view problem) const;

 protected:
  explicit ByteSource(std::string name) : name_(std::move(name)) {}

  std::string name_;
  uint64_t size_bytes_ = 0;
};

// A plain file. Throws InputError if it is none, or cannot be read.
std::unique_ptr<ByteSource> open_file(const std::string& path);

}  // namespace bgem3::cli
