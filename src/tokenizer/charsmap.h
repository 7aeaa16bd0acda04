// The compiled character map of a sentencepiece model: which strings are replaced by which. Start at Charsmap::find.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bgem3 {

// Layout of the bytes: size of the trie in bytes (u32, little endian), a Darts double array of u32 units, then the
// replacements, each ended by NUL. Immutable.
class Charsmap {
 public:
  // Throws ModelLoadingError (corrupt); `where` stands for the map in the message.
  Charsmap(std::string_view bytes, const std::string& where);

  // What it was made of.
  std::string bytes() const;

  // The replacement of the shortest key that `text` begins with. A NUL byte matches nothing.
  std::optional<std::string_view> find(std::string_view text) const;

 private:
  std::string_view replacement(size_t begin) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

// The bytes of standard base64 with padding; nothing if it is not that.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace bgem3
