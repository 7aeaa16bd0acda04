// JSON lines of `bgem3 embed`, read one ahead: a record that was rejected has none.
#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <utility>

#include "byte_source.h"
#include "failure.h"
#include "json_writer.h"
#include "precision.h"
#include "stored_outputs.h"
#include "unicode.h"

namespace bgem3::cli {

namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::string_view kSpace = " \t\r\n";

std::string_view without_space_behind(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

// The whole text as a number, rounded once: by way of a double it might be twice.
template <typename T>
bool parse_number(std::string_view text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

class StoredJsonl : public StoredOutputs {
 public:
  StoredJsonl(const std::string& path, const Outputs& needed) : StoredOutputs(path, needed) {
    open_file(path);  // a plain file, or this says what it is
    file_.open(path, std::ios::binary);
    read_line();
  }

  std::string read(const Record& record) override {
    if (!record.reason.empty()) return record.reason;
    if (!next_id_ || *next_id_ != record.id)
      return fmt::format("no line of {} has the id {} in this place", path_, record.id);
    std::swap(row_, next_);
    read_line();
    return "";
  }

  void finish() override {
    if (!next_id_) return;
    fail(fmt::format("the corpus has no text with the id {} in this place; make it again with bgem3 embed",
                     printable(*next_id_)));
  }

 private:
  [[noreturn]] void fail(std::string_view problem) const {
    throw InputError(fmt::format("cannot read {}: line {}: {}", path_, line_number_, problem));
  }

  // Puts the next line that is not blank into next_ and next_id_, which is empty after the last one.
  void read_line() {
    next_id_.reset();
    do {
      if (!std::getline(file_, line_)) {
        if (!file_.eof()) fail("the system cannot read it");
        return;
      }
      ++line_number_;
    } while (line_.find_first_not_of(kSpace) == std::string::npos);
    try {
      parse_line();
    } catch (const simdjson::simdjson_error& error) {
      fail(fmt::format("invalid JSON: {}", error.what()));
    }
  }

  void parse_line() {
    line_.reserve(line_.size() + simdjson::SIMDJSON_PADDING);
    ondemand::document document = parser_.iterate(line_.data(), line_.size(), line_.capacity());
    next_ = {};
    Outputs found = {.dense = false};
    Precision precision = Precision::float32;
    const auto first = [&](std::string_view key, bool& seen) {
      if (std::exchange(seen, true)) fail(fmt::format("key \"{}\" occurs twice", key));
    };
    for (auto field : document.get_object()) {
      const std::string_view key = field.unescaped_key();
      ondemand::value value = field.value();
      if (key == "id") {
        next_id_ = id_of(value);
      } else if (key == "precision") {
        precision = precision_of(value);
      } else if (key == "embedding" && needed_.dense) {
        first(key, found.dense);
        append_vector(value, next_.dense);
      } else if (key == "sparse" && needed_.sparse) {
        first(key, found.sparse);
        append_weights(value);
      } else if (key == "multi" && needed_.multi) {
        first(key, found.multi);
        for (auto vector : value.get_array()) append_vector(vector.value(), next_.multi);
      }
    }
    if (!document.current_location().error()) fail("invalid JSON: more than one value");
    if (!next_id_) fail("no key \"id\"");
    if (needed_.dense && !found.dense) fail_missing("dense");
    if (needed_.sparse && !found.sparse) fail_missing("sparse");
    if (needed_.multi && !found.multi) fail_missing("multi");
    if (needed_.multi && next_.multi.empty()) fail("\"multi\" has no vectors");
    if (needed_.dense || needed_.multi) unpack(precision);
  }

  Precision precision_of(ondemand::value value) const {
    const std::string_view name = value.get_string();
    for (const Precision known : {Precision::float32, Precision::float16, Precision::int8, Precision::ubinary}) {
      if (name == name_of(known)) return known;
    }
    fail(fmt::format("\"precision\": expected float32, float16, int8 or ubinary, found \"{}\"", printable(name, 40)));
  }

  // From the numbers of the line, all of `columns_` a vector, to vectors.
  void unpack(Precision precision) {
    const size_t dimensions = precision == Precision::ubinary ? 8 * columns_ : columns_;
    if (dimensions_ == 0) dimensions_ = dimensions;
    if (dimensions != dimensions_) {
      fail(fmt::format("vectors of {} dimensions, expected {}", dimensions, dimensions_));
    }
    if (precision == Precision::float32 || precision == Precision::float16) return;
    const int least = precision == Precision::int8 ? -127 : 0, most = precision == Precision::int8 ? 127 : 255;
    for (std::vector<float>* vectors : {&next_.dense, &next_.multi}) {
      std::vector<std::byte> bytes;
      for (const float number : *vectors) {
        if (number != std::nearbyint(number) || number < static_cast<float>(least) ||
            number > static_cast<float>(most)) {
          fail(fmt::format("{}: expected whole numbers from {} to {}, found {}", name_of(precision), least, most,
                           number));
        }
        bytes.push_back(static_cast<std::byte>(static_cast<int>(number)));
      }
      *vectors = unpack_vectors(precision, bytes, dimensions);
    }
  }

  // As the records of the corpus have it.
  static std::string id_of(ondemand::value value) {
    if (value.type() == ondemand::json_type::string) return json_string(value.get_string());
    return std::string(without_space_behind(value.raw_json_token()));
  }

  float number_of(ondemand::value value) const {
    const std::string_view token = without_space_behind(value.raw_json_token());
    float number;
    if (!parse_number(token, number) || !std::isfinite(number)) {
      fail(fmt::format("expected a number of 32 bits, found {}", printable(token, 40)));
    }
    return number;
  }

  void append_vector(ondemand::value value, std::vector<float>& to) {
    const size_t before = to.size();
    for (auto number : value.get_array()) to.push_back(number_of(number.value()));
    const size_t columns = to.size() - before;
    if (columns_ == 0) columns_ = columns;
    if (columns == 0 || columns != columns_) {
      fail(fmt::format("a vector of {} dimensions, expected {}", columns, columns_));
    }
  }

  void append_weights(ondemand::value value) {
    for (auto entry : value.get_object()) {
      const std::string_view key = entry.unescaped_key();
      uint32_t id;
      if (!parse_number(key, id)) {
        fail(fmt::format("\"sparse\": expected token ids as keys, found \"{}\"", printable(key, 40)));
      }
      next_.sparse_ids.push_back(id);
      next_.sparse_weights.push_back(number_of(entry.value()));
    }
  }

  std::ifstream file_;
  std::string line_;
  size_t line_number_ = 0;
  ondemand::parser parser_;
  size_t columns_ = 0;  // numbers of each vector of the file; 0: not known
  Row next_;
  std::optional<std::string> next_id_;  // as JSON
};

}  // namespace

std::unique_ptr<StoredOutputs> open_stored_jsonl(const std::string& path, const Outputs& needed) {
  return std::make_unique<StoredJsonl>(path, needed);
}

}  // namespace bgem3::cli
