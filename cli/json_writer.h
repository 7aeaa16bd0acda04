// JSON output: appends to a string; numbers in their shortest form that reads back to the same value.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bgem3::cli {

// Writes one JSON value, member by member. Commas are its own business; nesting is the caller's.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  JsonWriter& key(std::string_view name);
  // Ill-formed UTF-8 is written as U+FFFD, so that the output is always valid JSON.
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool truth);
  JsonWriter& value(float number);  // not finite: null
  JsonWriter& value(double number);
  template <std::integral T>
  JsonWriter& value(T number) {
    return integer(static_cast<uint64_t>(number < 0 ? 0 - static_cast<uint64_t>(number) : number), number < 0);
  }
  JsonWriter& value(std::span<const float> numbers);
  // Text that already is a JSON value.
  JsonWriter& json(std::string_view value);

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& integer(uint64_t magnitude, bool negative);
  void separate();

  std::string& out_;
  bool first_ = true;  // no comma before what comes next
};

// The text as a JSON string with its quotes.
std::string json_string(std::string_view text);

}  // namespace bgem3::cli
