#include "model/messages.h"

#include <fmt/format.h>

#include <algorithm>

namespace bgem3 {

namespace {

// Bytes of the well-formed UTF-8 character at the start of `text`, or 0.
size_t character_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(0);
  const size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool outside = (lead == 0xED && byte(1) >= 0xA0) || (lead == 0xF4 && byte(1) >= 0x90);
  return overlong || outside ? 0 : length;
}

}  // namespace

std::string quote(std::string_view name) {
  constexpr size_t kLongest = 100;
  std::string text = "\"";
  while (!name.empty()) {
    if (text.size() > kLongest) return text + "...\"";
    const auto byte = static_cast<unsigned char>(name[0]);
    const size_t length = character_bytes(name);
    if (length == 0 || byte < 0x20 || byte == 0x7F || byte == '"' || byte == '\\') {
      text += fmt::format("\\x{:02x}", byte);
      name.remove_prefix(1);
    } else {
      text += name.substr(0, length);
      name.remove_prefix(length);
    }
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
