// Parsed JSON as a small immutable tree, for files of a model. Strict: see Json::parse. Start there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bgem3 {

// One JSON value. Accessors that name a wrong type or a missing member throw ModelLoadingError (corrupt) with the
// document's name and the byte offset of the value, so that readers of files need no checks of their own.
class Json {
 public:
  enum class Type { null, boolean, number, string, array, object };
  using Member = std::pair<std::string, Json>;

  // Parses a whole document. `name` stands for it in error messages.
  // Throws ModelLoadingError (corrupt): not JSON, not UTF-8, trailing bytes, duplicate keys, deeper than 64 levels.
  static Json parse(std::string_view text, std::string_view name);

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::null; }

  // The members of an object, the elements of an array, in the file's order.
  const std::vector<Member>& members() const;
  const std::vector<Json>& elements() const;
  // The member of that name; at() throws if it is missing, find() answers null for missing.
  const Json& at(std::string_view key) const;
  const Json* find(std::string_view key) const;

  bool boolean() const;
  const std::string& string() const;
  double number() const;
  // A number without fraction or exponent in [0, limit].
  uint64_t integer(uint64_t limit = UINT64_MAX) const;
  // The number's own characters, as they stand in the file.
  const std::string& number_text() const;

  // "tokenizer.json: byte 1234", for the error messages of readers.
  std::string where() const;

 private:
  friend class JsonBuilder;
  template <typename T>
  const T& get(Type type, const char* expected) const;

  Type type_ = Type::null;
  std::variant<bool, std::string, std::vector<Json>, std::vector<Member>>
      value_;                                // the string: of a string or a number
  size_t offset_ = 0;                        // of its first byte in the document
  std::shared_ptr<const std::string> name_;  // of the document
};

}  // namespace bgem3
