#include "json_record.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "json_writer.h"
#include "unicode.h"

namespace bgem3::cli {

static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

namespace dom = simdjson::dom;

struct JsonRecordParser::Impl {
  Impl(std::string text, std::string id) : text_field(std::move(text)), id_field(std::move(id)) {}

  std::string text_field;
  std::string id_field;
  dom::parser parser;
};

namespace {

// simdjson's own words where they are exact; better ones for what people meet.
std::string describe(simdjson::error_code error, std::string_view line) {
  switch (error) {
    case simdjson::UTF8_ERROR:
      return fmt::format("invalid UTF-8 at byte {}", find_invalid_utf8(line));
    case simdjson::DEPTH_ERROR:
      return "invalid JSON: nested deeper than 1024 levels";
    case simdjson::STRING_ERROR:
      return "invalid JSON: a string with an unknown escape or a lone surrogate";
    case simdjson::UNESCAPED_CHARS:
      return "invalid JSON: a control character in a string, it must be written as \\u00XX";
    case simdjson::UNCLOSED_STRING:
      return "invalid JSON: a string does not end on its line";
    case simdjson::EMPTY:
      return "invalid JSON: an empty record";
    case simdjson::MEMALLOC:
    case simdjson::CAPACITY:
      return "not enough memory to parse the record";
    default:
      return fmt::format("invalid JSON: {}", simdjson::error_message(error));
  }
}

const char* type_name(dom::element_type type) {
  switch (type) {
    case dom::element_type::ARRAY:
      return "an array";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
      return "an integer";
    case dom::element_type::DOUBLE:
      return "a number";
    case dom::element_type::STRING:
      return "a string";
    case dom::element_type::BOOL:
      return "a boolean";
    case dom::element_type::NULL_VALUE:
      return "null";
  }
  return "an unknown type";
}

// Counts a field; the answer is empty if it stands for the first time.
std::string twice(int& seen, std::string_view field) {
  return ++seen == 1 ? "" : fmt::format("field \"{}\" occurs twice", field);
}

}  // namespace

JsonRecordParser::JsonRecordParser(std::string text_field, std::string id_field)
    : impl_(std::make_unique<Impl>(std::move(text_field), std::move(id_field))) {}

JsonRecordParser::~JsonRecordParser() = default;

std::string JsonRecordParser::parse(std::string_view line, std::string& text, std::string& id) {
  dom::element root;
  if (auto error = impl_->parser.parse(line.data(), line.size(), false).get(root)) return describe(error, line);
  dom::object object;
  if (root.get(object)) return fmt::format("expected a JSON object, found {}", type_name(root.type()));

  std::string reason;
  int texts = 0, ids = 0;
  for (const dom::key_value_pair field : object) {
    if (field.key == impl_->id_field) {
      if (auto problem = twice(ids, impl_->id_field); !problem.empty()) return problem;
      if (field.value.is_string()) {
        id = json_string(field.value.get_string().value_unsafe());
      } else if (field.value.is_int64() || field.value.is_uint64()) {
        id = simdjson::minify(field.value);
      } else {
        reason = fmt::format("field \"{}\" must be a string or an integer, found {}", impl_->id_field,
                             type_name(field.value.type()));
      }
    }
    if (field.key == impl_->text_field) {
      if (auto problem = twice(texts, impl_->text_field); !problem.empty()) return problem;
      if (field.value.is_string()) {
        text = field.value.get_string().value_unsafe();
      } else {
        reason =
            fmt::format("field \"{}\" must be a string, found {}", impl_->text_field, type_name(field.value.type()));
      }
    }
  }
  if (reason.empty() && texts == 0)
    reason = fmt::format("no field \"{}\"; name it with --text-field", impl_->text_field);
  return reason;
}

}  // namespace bgem3::cli
