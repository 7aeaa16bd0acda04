#include "json_writer.h"

#include <charconv>
#include <cmath>

#include "unicode.h"

namespace bgem3::cli {

namespace {

template <typename T>
void append_number(std::string& out, T number) {
  char digits[32];
  const auto result = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, result.ptr);
}

void append_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  size_t copied = 0;  // bytes of the text that are in `out`
  auto replace = [&](size_t at, size_t bytes, std::string_view by) {
    out.append(text, copied, at - copied);
    out += by;
    copied = at + bytes;
  };
  for (size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
      ++at;
      continue;
    }
    const CodePoint point = decode_utf8(text, at);
    if (!point.valid) {
      replace(at, point.bytes, "\xEF\xBF\xBD");
    } else if (byte == '"') {
      replace(at, 1, "\\\"");
    } else if (byte == '\\') {
      replace(at, 1, "\\\\");
    } else if (byte == '\n') {
      replace(at, 1, "\\n");
    } else if (byte == '\r') {
      replace(at, 1, "\\r");
    } else if (byte == '\t') {
      replace(at, 1, "\\t");
    } else if (byte < 0x20) {
      const char escape[] = {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
      replace(at, 1, {escape, sizeof escape});
    }
    at += point.bytes;
  }
  out.append(text, copied);
  out += '"';
}

}  // namespace

void JsonWriter::separate() {
  if (!first_) out_ += ',';
  first_ = false;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_string(out_, name);
  out_ += ':';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  append_string(out_, text);
  return *this;
}

JsonWriter& JsonWriter::value(bool truth) { return json(truth ? "true" : "false"); }

JsonWriter& JsonWriter::value(float number) {
  if (!std::isfinite(number)) return json("null");
  separate();
  append_number(out_, number);
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return json("null");
  separate();
  append_number(out_, number);
  return *this;
}

JsonWriter& JsonWriter::integer(uint64_t magnitude, bool negative) {
  separate();
  if (negative) out_ += '-';
  append_number(out_, magnitude);
  return *this;
}

JsonWriter& JsonWriter::value(std::span<const float> numbers) {
  begin_array();
  for (float number : numbers) value(number);
  return end_array();
}

JsonWriter& JsonWriter::json(std::string_view value) {
  separate();
  out_ += value;
  return *this;
}

std::string json_string(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

}  // namespace bgem3::cli
