#include "base/json.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace bgem3 {

// Copies simdjson's lazy view into a tree. Reading every value also makes simdjson check every value.
class JsonBuilder {
 public:
  JsonBuilder(std::string_view text, std::string_view name)
      : text_(text.data(), text.size()), name_(std::make_shared<const std::string>(name)) {}

  Json parse() {
    try {
      simdjson::ondemand::parser parser(text_.size() + simdjson::SIMDJSON_PADDING);
      simdjson::ondemand::document document = parser.iterate(text_);
      if (document.is_scalar()) corrupt("expected an object or an array, found a single value");
      Json root = build(document.get_value(), 0);
      if (!document.current_location().error()) corrupt("bytes after the end of the document");
      return root;
    } catch (const simdjson::simdjson_error& error) {
      corrupt(simdjson::error_message(error.error()));
    }
  }

 private:
  static constexpr int kMaxDepth = 64;

  [[noreturn]] void corrupt(std::string_view reason) const {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: not valid JSON: {}; the file may be damaged or cut short", *name_,
                            reason);
  }

  Json build(simdjson::ondemand::value value, int depth) {
    if (depth > kMaxDepth) corrupt("nested deeper than 64 levels");
    Json json;
    json.name_ = name_;
    json.offset_ = static_cast<size_t>(std::string_view(value.raw_json_token()).data() - text_.data());
    switch (value.type()) {
      case simdjson::ondemand::json_type::null:
        if (!value.is_null()) corrupt("a misspelt null");
        break;
      case simdjson::ondemand::json_type::boolean:
        json.type_ = Json::Type::boolean;
        json.value_ = static_cast<bool>(value.get_bool());
        break;
      case simdjson::ondemand::json_type::number: {
        json.type_ = Json::Type::number;
        std::string_view token = value.raw_json_token();
        token = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
        json.value_ = std::string(token);
        value.get_double().value();  // checks the syntax
        break;
      }
      case simdjson::ondemand::json_type::string:
        json.type_ = Json::Type::string;
        json.value_ = std::string(std::string_view(value.get_string()));
        break;
      case simdjson::ondemand::json_type::array: {
        json.type_ = Json::Type::array;
        std::vector<Json> elements;
        for (auto element : value.get_array()) elements.push_back(build(element.value(), depth + 1));
        json.value_ = std::move(elements);
        break;
      }
      case simdjson::ondemand::json_type::object: {
        json.type_ = Json::Type::object;
        std::vector<Json::Member> members;
        for (auto field : value.get_object()) {
          std::string key(std::string_view(field.unescaped_key()));
          members.emplace_back(std::move(key), build(field.value(), depth + 1));
        }
        refuse_duplicates(members);
        json.value_ = std::move(members);
        break;
      }
    }
    return json;
  }

  // Parsers disagree about which of two equal keys counts, so a file with both means two things.
  void refuse_duplicates(const std::vector<Json::Member>& members) const {
    std::vector<std::string_view> keys;
    keys.reserve(members.size());
    for (const Json::Member& member : members) keys.push_back(member.first);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end()) corrupt(fmt::format("the key \"{}\" appears twice in one object", *twice));
  }

  simdjson::padded_string text_;
  std::shared_ptr<const std::string> name_;
};

Json Json::parse(std::string_view text, std::string_view name) { return JsonBuilder(text, name).parse(); }

std::string Json::where() const { return fmt::format("{}: byte {}", name_ ? *name_ : "JSON", offset_); }

template <typename T>
const T& Json::get(Type type, const char* expected) const {
  static constexpr const char* kNames[] = {"null", "a boolean", "a number", "a string", "an array", "an object"};
  if (type_ != type) {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: expected {}, found {}", where(), expected,
                            kNames[static_cast<int>(type_)]);
  }
  return std::get<T>(value_);
}

const std::vector<Json::Member>& Json::members() const { return get<std::vector<Member>>(Type::object, "an object"); }
const std::vector<Json>& Json::elements() const { return get<std::vector<Json>>(Type::array, "an array"); }
bool Json::boolean() const { return get<bool>(Type::boolean, "a boolean"); }
const std::string& Json::string() const { return get<std::string>(Type::string, "a string"); }
const std::string& Json::number_text() const { return get<std::string>(Type::number, "a number"); }

const Json* Json::find(std::string_view key) const {
  for (const Member& member : members()) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  if (const Json* value = find(key)) return *value;
  fail<ModelLoadingError>(ErrorCode::corrupt, "{}: the key \"{}\" is missing", where(), key);
}

double Json::number() const {
  const std::string& text = number_text();
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

uint64_t Json::integer(uint64_t limit) const {
  const std::string& text = number_text();
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > limit) {
    fail<ModelLoadingError>(ErrorCode::corrupt, "{}: expected a whole number from 0 to {}, found {}", where(), limit,
                            text);
  }
  return value;
}

}  // namespace bgem3
