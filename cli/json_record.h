// One line of JSONL to the text and the id that it carries.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace bgem3::cli {

// Bytes that must be readable behind every line given to JsonRecordParser::parse.
inline constexpr size_t kJsonPadding = 64;

// Reads the two fields that count of each record; the others only have to be valid JSON.
class JsonRecordParser {
 public:
  JsonRecordParser(std::string text_field, std::string id_field);
  ~JsonRecordParser();

  // Parses one object. The answer is empty if all is well, else the reason (one line) why the record is rejected: not
  // JSON, not UTF-8, nested deeper than 1024 levels, bytes behind the object, no text, a text that is no string, an id
  // that is neither a string nor an integer, or one of both fields twice (readers disagree which of the two counts).
  // `id` gets the id as JSON (`"a"`, `7`), and is left empty if there is none. It may be set for rejected records too.
  std::string parse(std::string_view line, std::string& text, std::string& id);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bgem3::cli
