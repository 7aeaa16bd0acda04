// Several arrays of one run in NumPy's .npz format: a zip archive of .npy files, uncompressed. Start at NpzWriter
// and open_npz_array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "byte_source.h"
#include "output.h"

struct archive;

namespace bgem3::cli {

// Writes a file that appears, complete and synced, at publish() and not before. How long the arrays become need not be
// known: until then each is in a nameless file in the same folder. Throws OutputError.
class NpzWriter {
 public:
  explicit NpzWriter(const std::string& path);
  ~NpzWriter();

  // An array of numbers that grows at its end.
  class Array {
   public:
    void append(std::span<const float> values) { append(values.data(), values.size_bytes()); }
    void append(std::span<const int32_t> values) { append(values.data(), values.size_bytes()); }
    void append(std::span<const int64_t> values) { append(values.data(), values.size_bytes()); }
    void append(std::span<const std::byte> values) { append(values.data(), values.size_bytes()); }

   private:
    friend class NpzWriter;
    Array(const std::string& output, std::string name, std::string_view type, size_t columns);
    void append(const void* bytes, size_t size);
    void write_to(archive* zip) const;
    [[noreturn]] void fail(int error) const;

    struct Close {
      void operator()(FILE* file) const { std::fclose(file); }
    };
    std::string output_, name_;
    std::string type_;  // NumPy's: "<f4"
    size_t columns_;
    std::unique_ptr<FILE, Close> file_;
    size_t bytes_ = 0;
  };
  // A new array `name`. type: NumPy's ("<f4", "|i1"), that of what will be appended. columns: 0 for one dimension.
  // Valid as long as this object.
  Array& add(std::string name, std::string_view type, size_t columns = 0);

  void publish();

 private:
  std::string path_;
  std::deque<Array> arrays_;
};

// The array `name` of an .npz, as NpzWriter and numpy.savez write them (numpy.savez_compressed too), for an NpyReader;
// null if the file does not have it. Every array is read by itself, so several can be read side by side; its checksum
// is looked at behind its last byte. Throws InputError for a file that is no zip archive, or damaged.
std::unique_ptr<ByteSource> open_npz_array(const std::string& path, const std::string& name);

}  // namespace bgem3::cli
