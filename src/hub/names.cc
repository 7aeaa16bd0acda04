#include "hub/names.h"

#include <fmt/format.h>

#include <algorithm>

namespace bgem3 {
namespace {

bool is_plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

bool is_name_below(std::string_view name) {
  constexpr size_t kLongestPart = 255;
  for (const unsigned char c : name) {
    if (c < 0x20 || c == 0x7F || c == '\\') return false;
  }
  while (true) {
    const std::string_view part = name.substr(0, name.find('/'));
    if (part.empty() || part == "." || part == ".." || part.size() > kLongestPart) return false;
    if (part.size() == name.size()) return true;
    name.remove_prefix(part.size() + 1);
  }
}

std::string parse_etag(std::string_view header) {
  if (header.starts_with("W/")) header.remove_prefix(2);
  if (header.size() >= 2 && header.starts_with('"') && header.ends_with('"'))
    header = header.substr(1, header.size() - 2);
  constexpr size_t kLongest = 128;
  const bool good =
      !header.empty() && header.size() <= kLongest && header.front() != '.' &&
      std::all_of(header.begin(), header.end(), [](char c) { return is_plain(static_cast<unsigned char>(c)); });
  return good ? std::string(header) : std::string();
}

bool is_sha256(std::string_view etag) { return is_hex(etag, 64); }
bool is_git_sha1(std::string_view etag) { return is_hex(etag, 40); }

std::string quote_url(std::string_view text, bool keep_slashes) {
  std::string url;
  for (const char character : text) {
    const auto c = static_cast<unsigned char>(character);
    if (is_plain(c) || c == '~' || (c == '/' && keep_slashes)) {
      url += character;
    } else {
      url += fmt::format("%{:02X}", c);
    }
  }
  return url;
}

std::string shown_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const size_t host = scheme + 3;
  const size_t at = url.substr(host, url.find('/', host) - host).rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return std::string(url.substr(0, host)) + std::string(url.substr(host + at + 1));
}

}  // namespace bgem3
