#include <array>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

#include "tokenizer/tokenizer_json.h"

namespace bgem3 {

namespace {

// 10^0 to 10^308, each the nearest double.
const std::array<double, 309>& powers_of_ten() {
  static const std::array<double, 309> powers = [] {
    std::array<double, 309> table{};
    for (size_t i = 0; i < table.size(); ++i) table[i] = std::strtod(("1e" + std::to_string(i)).c_str(), nullptr);
    return table;
  }();
  return powers;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::optional<double> parse_number_as_serde(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  uint64_t significand = 0;
  int64_t exponent = 0;
  size_t at = 0;
  const auto take_digits = [&](bool fraction) {
    bool full = false;  // from the first digit that does not fit on, digits are ignored; those of the whole part count
    for (; at < text.size() && is_digit(text[at]); ++at) {
      const auto digit = static_cast<uint64_t>(text[at] - '0');
      uint64_t next;
      full = full || __builtin_mul_overflow(significand, uint64_t{10}, &next) ||
             __builtin_add_overflow(next, digit, &next);
      if (!full) significand = next;
      exponent += full ? !fraction : -fraction;
    }
  };
  take_digits(false);
  if (at < text.size() && text[at] == '.') {
    ++at;
    take_digits(true);
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    const bool down = at < text.size() && text[at] == '-';
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    int64_t written = 0;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      if (written < std::numeric_limits<int32_t>::max()) written = written * 10 + (text[at] - '0');
    }
    exponent += down ? -written : written;
  }
  auto value = static_cast<double>(significand);
  const auto& powers = powers_of_ten();
  for (; value != 0 && exponent < -308; exponent += 308) value /= powers[308];
  if (value != 0 && exponent > 308) return std::nullopt;
  if (value != 0)
    value =
        exponent < 0 ? value / powers[static_cast<size_t>(-exponent)] : value * powers[static_cast<size_t>(exponent)];
  if (value > std::numeric_limits<double>::max()) return std::nullopt;
  return negative ? -value : value;
}

}  // namespace bgem3
