#include "tokenizer/charsmap.h"

#include <array>
#include <cstring>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

// A unit: bits 0-7 and 31 the label, bit 8 whether the key may end here, bits 10-30 the offset, times 256 if bit 9 is
// set. A unit that stands for an end has its value in bits 0-30.
bool has_label(uint32_t unit, unsigned char label) { return (unit & 0x800000FFu) == label; }
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
size_t offset(uint32_t unit) { return static_cast<size_t>(unit >> 10) << ((unit & 512) >> 6); }
size_t value(uint32_t unit) { return unit & 0x7FFFFFFFu; }

}  // namespace

Charsmap::Charsmap(std::string_view bytes, const std::string& where) {
  const auto corrupt = [&](const char* reason) {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: precompiled_charsmap: {}; the file may be damaged", where, reason);
  };
  uint32_t trie_bytes = 0;
  if (bytes.size() < sizeof trie_bytes) corrupt("too short for its header of 4 bytes");
  std::memcpy(&trie_bytes, bytes.data(), sizeof trie_bytes);
  bytes.remove_prefix(sizeof trie_bytes);
  if (trie_bytes > bytes.size()) corrupt("the trie is longer than the map");
  units_.resize(trie_bytes / sizeof(uint32_t));
  if (units_.empty()) corrupt("the trie is empty");
  std::memcpy(units_.data(), bytes.data(), units_.size() * sizeof(uint32_t));
  replacements_ = bytes.substr(units_.size() * sizeof(uint32_t));
  if (utf8::find_ill_formed(replacements_, 0).begin != replacements_.size()) corrupt("a replacement is not UTF-8");

  // Every value that a search can come to is checked now, so that no search has to.
  std::vector<bool> seen(units_.size());
  std::vector<size_t> nodes;
  const auto visit = [&](size_t node) {
    if (node >= units_.size()) corrupt("a node is outside of the trie");
    if (!seen[node]) nodes.push_back(node);
    seen[node] = true;
  };
  visit(offset(units_[0]));
  while (!nodes.empty()) {
    const size_t node = nodes.back();
    nodes.pop_back();
    for (unsigned label = 1; label < 256; ++label) {
      const size_t child = node ^ label;
      if (child >= units_.size() || !has_label(units_[child], static_cast<unsigned char>(label))) continue;
      const size_t next = child ^ offset(units_[child]);
      visit(next);
      if (!has_leaf(units_[child])) continue;
      const size_t begin = value(units_[next]);
      if (begin > replacements_.size() || !utf8::is_boundary(replacements_, begin)) {
        corrupt("a replacement is outside of the map");
      }
    }
  }
}

std::string Charsmap::bytes() const {
  const auto trie_bytes = static_cast<uint32_t>(units_.size() * sizeof(uint32_t));
  std::string bytes(sizeof trie_bytes + trie_bytes, '\0');
  std::memcpy(bytes.data(), &trie_bytes, sizeof trie_bytes);
  std::memcpy(bytes.data() + sizeof trie_bytes, units_.data(), trie_bytes);
  return bytes + replacements_;
}

std::string_view Charsmap::replacement(size_t begin) const {
  const std::string_view rest = std::string_view(replacements_).substr(begin);
  return rest.substr(0, rest.find('\0'));
}

std::optional<std::string_view> Charsmap::find(std::string_view text) const {
  size_t node = offset(units_[0]);
  for (const char c : text) {
    const auto label = static_cast<unsigned char>(c);
    if (label == 0) break;
    node ^= label;
    if (node >= units_.size() || !has_label(units_[node], label)) break;
    const bool leaf = has_leaf(units_[node]);
    node ^= offset(units_[node]);
    if (leaf) return replacement(value(units_[node]));
  }
  return std::nullopt;
}

std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const std::array<int8_t, 256> kValues = [] {
    std::array<int8_t, 256> values;
    values.fill(-1);
    for (size_t i = 0; i < kAlphabet.size(); ++i)
      values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
    return values;
  }();
  if (text.size() % 4 != 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int8_t digit = kValues[static_cast<unsigned char>(c)];
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>(bits >> count & 0xFF));
      bits &= (1u << count) - 1;
    }
  }
  if (bits != 0) return std::nullopt;  // not canonical
  return bytes;
}

}  // namespace bgem3
