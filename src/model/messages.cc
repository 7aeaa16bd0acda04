#include "model/messages.h"

#include <fmt/format.h>

#include <algorithm>

namespace bgem3 {

std::string quote(std::string_view name) {
  constexpr size_t kLongest = 100;
  std::string text = "\"";
  for (const char character : name.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte == 0x7F || character == '"' || character == '\\') {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += character;
    }
  }
  if (name.size() > kLongest) {
    // The cut must not leave half a character of UTF-8 behind.
    while (text.size() > 1 && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    if (static_cast<unsigned char>(text.back()) >= 0xC0) text.pop_back();
    text += "...";
  }
  return text + '"';
}

std::string content_hint(std::span<const std::byte> bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 256));
  if (text.starts_with("version https://git-lfs")) {
    return "; it is a Git LFS pointer, not the file itself: fetch it with \"git lfs pull\"";
  }
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  if (text.starts_with("<")) return "; it starts like a web page: download it again";
  return {};
}

}  // namespace bgem3
