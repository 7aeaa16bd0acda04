#include "verify/fingerprint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "base/error.h"
#include "base/json.h"
#include "base/sha256.h"
#include "bgem3/version.h"
#include "model/messages.h"

namespace bgem3 {
namespace {

constexpr const char* kFormat = "bgem3_fingerprint";
constexpr uint64_t kFormatVersion = 1;

// What ids and outputs were computed of.
std::string hash_of_texts() {
  std::string all = fmt::format("{}\n", kFingerprintTokens);
  for (const auto& [name, text] : fingerprint_texts()) all += fmt::format("{} {} {}\n", name, text.size(), text);
  return sha256_hex(std::as_bytes(std::span(all)));
}

template <typename T>
std::string hash(std::span<const T> values) {
  return sha256_hex(std::as_bytes(values));
}

// A name from a model's files or the command line as a JSON string.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// The same float again, whatever its decimal digits are.
float parse_float(const Json& json) {
  const std::string& text = json.number_text();
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "{}: {} is no float32", json.where(), quote(text));
  }
  return value;
}

std::string parse_hash(const Json& json) {
  const std::string& text = json.string();
  if (text.size() != 64 || text.find_first_not_of("0123456789abcdef") != std::string::npos) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "{}: expected a SHA-256, found {}", json.where(), quote(text));
  }
  return text;
}

OutputPrint parse_output(const Json& json) {
  OutputPrint print;
  print.sha256 = parse_hash(json.at("sha256"));
  if (const Json* ids = json.find("ids")) {
    for (const Json& id : ids->elements()) print.ids.push_back(static_cast<uint32_t>(id.integer(UINT32_MAX)));
  }
  for (const Json& value : json.at("values").elements()) print.values.push_back(parse_float(value));
  if (json.find("ids") && print.ids.size() != print.values.size()) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "{}: {} ids, but {} values", json.where(), print.ids.size(),
                            print.values.size());
  }
  return print;
}

// Every text of the set once, in its order: what is compared is paired by place.
template <typename Entry>
void check_texts(const std::vector<Entry>& entries, const Json& json) {
  const auto& texts = fingerprint_texts();
  const bool same = std::equal(entries.begin(), entries.end(), texts.begin(), texts.end(),
                               [](const Entry& entry, const FingerprintText& text) { return entry.text == text.name; });
  if (same) return;
  fail<InvalidInputError>(ErrorCode::invalid_input,
                          "{}: expected the {} texts of this version in their order, found {}", json.where(),
                          texts.size(), entries.size());
}

const Fingerprint::File* find_file(const Fingerprint& print, const std::string& name) {
  const auto found = std::find_if(print.files.begin(), print.files.end(),
                                  [&](const Fingerprint::File& file) { return file.name == name; });
  return found == print.files.end() ? nullptr : &*found;
}

Fingerprint parse(const Json& json, std::string_view name) {
  if (json.type() != Json::Type::object || !json.find(kFormat)) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "{}: no fingerprint of bgem3: it has no \"{}\"", name, kFormat);
  }
  if (const uint64_t version = json.at(kFormat).integer(); version != kFormatVersion) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "{}: a fingerprint of format {}, this version reads {}", name,
                            version, kFormatVersion);
  }
  Fingerprint print;
  print.version = json.at("version").string();
  if (json.at("texts").string() != hash_of_texts()) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "{}: recorded by bgem3 {} with other texts than those of this version ({})", name,
                            quote(print.version), BGEM3_VERSION);
  }
  print.model = json.at("model").string();
  print.revision = json.at("revision").string();
  for (const Json& file : json.at("files").elements()) {
    const std::string& file_name = file.at("name").string();
    if (find_file(print, file_name)) {
      fail<InvalidInputError>(ErrorCode::invalid_input, "{}: the file {} is there twice", file.where(),
                              quote(file_name));
    }
    print.files.push_back({file_name, file.at("size_bytes").integer(), parse_hash(file.at("sha256"))});
  }
  for (const Json& ids : json.at("ids").elements()) {
    print.ids.push_back({ids.at("text").string(), ids.at("tokens").integer(), parse_hash(ids.at("sha256"))});
  }
  check_texts(print.ids, json.at("ids"));
  for (const auto& [dtype, texts] : json.at("outputs").members()) {
    std::vector<TextPrint>& prints = print.by_dtype[dtype];
    for (const Json& text : texts.elements()) {
      TextPrint& one = prints.emplace_back();
      one.text = text.at("text").string();
      for (const char* output : {"dense", "sparse", "multi"}) {
        if (const Json* member = text.find(output)) one.outputs[output] = parse_output(*member);
      }
    }
    check_texts(prints, texts);
  }
  if (print.by_dtype.empty()) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "{}: it has outputs in no dtype", name);
  }
  return print;
}

// The largest difference of two sparse outputs, over the ids of either.
double sparse_difference(const OutputPrint& expected, const OutputPrint& found) {
  std::map<uint32_t, double> weights;
  for (size_t i = 0; i < expected.ids.size(); i++) weights[expected.ids[i]] += static_cast<double>(expected.values[i]);
  for (size_t i = 0; i < found.ids.size(); i++) weights[found.ids[i]] -= static_cast<double>(found.values[i]);
  double largest = 0;
  for (const auto& [id, difference] : weights) largest = std::max(largest, std::abs(difference));
  return largest;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); i++) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return largest;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); i++) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return dot / std::sqrt(aa * bb);
}

void compare_output(const std::string& output, const std::string& text, const OutputPrint& expected,
                    const OutputPrint& found, Checks& checks) {
  Check& check = checks.equal(fmt::format("{} of {}", output, quote(text)), expected.sha256, found.sha256);
  check.is_numeric = true;
  if (check.outcome == Outcome::pass) return;
  if (output == "sparse") {
    check.difference = sparse_difference(expected, found);
    check.note = fmt::format("{} and {} weights", expected.ids.size(), found.ids.size());
  } else if (expected.values.size() != found.values.size()) {
    check.is_numeric = false;
    check.note = fmt::format("{} and {} {}", expected.values.size(), found.values.size(),
                             output == "dense" ? "dimensions" : "vectors");
  } else {
    check.difference = largest_difference(expected.values, found.values);
    check.note = output == "dense" ? fmt::format("cosine {:.9f}", cosine(expected.values, found.values))
                                   : "the difference is that of the first number of each token's vector";
  }
}

}  // namespace

std::vector<Fingerprint::Ids> print_ids(const Tokenizer& tokenizer, size_t max_tokens) {
  std::vector<Fingerprint::Ids> prints;
  for (const auto& [name, text] : fingerprint_texts()) {
    const Encoding encoding = tokenizer.encode(text, {.max_tokens = max_tokens});
    prints.push_back({name, encoding.ids.size(), hash(std::span<const uint32_t>(encoding.ids))});
  }
  return prints;
}

std::vector<TextPrint> print_outputs(const EmbedResult& result, const Outputs& outputs) {
  const auto& texts = fingerprint_texts();
  BGEM3_CHECK(result.texts() == texts.size());
  std::vector<TextPrint> prints;
  for (size_t i = 0; i < texts.size(); i++) {
    const Embedding& embedding = result[i];
    if (embedding.error) {
      fail<InferenceError>(*embedding.error, "text {}: {}", quote(texts[i].name), embedding.error_message);
    }
    TextPrint& print = prints.emplace_back();
    print.text = texts[i].name;
    print.outputs["dense"] = {
        .sha256 = hash(embedding.dense), .ids = {}, .values = {embedding.dense.begin(), embedding.dense.end()}};
    if (outputs.sparse) {
      Sha256 both;
      both.add(std::as_bytes(embedding.sparse_ids));
      both.add(std::as_bytes(embedding.sparse_weights));
      print.outputs["sparse"] = {.sha256 = both.hex(),
                                 .ids = {embedding.sparse_ids.begin(), embedding.sparse_ids.end()},
                                 .values = {embedding.sparse_weights.begin(), embedding.sparse_weights.end()}};
    }
    if (outputs.multi) {
      OutputPrint& multi = print.outputs["multi"];
      multi.sha256 = hash(embedding.multi);
      for (size_t at = 0; at < embedding.multi.size(); at += result.dimensions()) {
        multi.values.push_back(embedding.multi[at]);
      }
    }
  }
  return prints;
}

std::string to_json(const Fingerprint& print) {
  std::string json = fmt::format(
      "{{\"{}\": {}, \"texts\": \"{}\", \"version\": {},\n\"model\": {}, \"revision\": {},\n", kFormat, kFormatVersion,
      hash_of_texts(), json_string(print.version), json_string(print.model), json_string(print.revision));
  const auto out = std::back_inserter(json);
  // One entry a line, so that a version control system shows which differ.
  const auto list = [&](const auto& entries, const auto& write) {
    json += '[';
    for (size_t i = 0; i < entries.size(); i++) {
      json += i == 0 ? "\n" : ",\n";
      write(entries[i]);
    }
    json += ']';
  };
  json += "\"files\": ";
  list(print.files, [&](const Fingerprint::File& file) {
    fmt::format_to(out, "{{\"name\": {}, \"size_bytes\": {}, \"sha256\": \"{}\"}}", json_string(file.name),
                   file.size_bytes, file.sha256);
  });
  json += ",\n\"ids\": ";
  list(print.ids, [&](const Fingerprint::Ids& ids) {
    fmt::format_to(out, "{{\"text\": {}, \"tokens\": {}, \"sha256\": \"{}\"}}", json_string(ids.text), ids.tokens,
                   ids.sha256);
  });
  json += ",\n\"outputs\": {";
  bool first = true;
  for (const auto& [dtype, texts] : print.by_dtype) {
    fmt::format_to(out, "{}{}: ", first ? "" : ",\n", json_string(dtype));
    first = false;
    list(texts, [&](const TextPrint& text) {
      fmt::format_to(out, "{{\"text\": {}", json_string(text.text));
      for (const auto& [output, one] : text.outputs) {
        fmt::format_to(out, ", \"{}\": {{\"sha256\": \"{}\"", output, one.sha256);
        if (output == "sparse") fmt::format_to(out, ", \"ids\": [{}]", fmt::join(one.ids, ","));
        fmt::format_to(out, ", \"values\": [{}]}}", fmt::join(one.values, ","));
      }
      json += '}';
    });
  }
  return json + "}}\n";
}

Fingerprint parse_fingerprint(std::string_view json, std::string_view name) {
  try {
    return parse(Json::parse(json, name), name);
  } catch (const EmbeddingGenerationError& error) {
    const std::string message = error.what();
    fail<InvalidInputError>(ErrorCode::invalid_input, "{}; record one with bgem3 verify --record", message);
  }
}

void compare_files_and_ids(const Fingerprint& expected, const Fingerprint& found, Checks& checks) {
  const auto describe = [](const Fingerprint::File* file) {
    return file ? fmt::format("{} ({} bytes)", file->sha256, file->size_bytes) : std::string("not there");
  };
  for (const auto& file : expected.files) {
    checks.equal(file.name, describe(&file), describe(find_file(found, file.name)));
  }
  for (const auto& file : found.files) {
    if (!find_file(expected, file.name)) checks.equal(file.name, describe(nullptr), describe(&file));
  }
  if (found.ids.empty()) return;  // there was no tokenizer to be had
  for (size_t i = 0; i < expected.ids.size(); i++) {
    const auto text = [](const Fingerprint::Ids& ids) { return fmt::format("{} ({} ids)", ids.sha256, ids.tokens); };
    checks.equal(fmt::format("ids of {}", quote(expected.ids[i].text)), text(expected.ids[i]), text(found.ids[i]));
  }
}

void compare_outputs(const std::vector<TextPrint>& expected, const std::vector<TextPrint>& found, Checks& checks) {
  for (size_t i = 0; i < expected.size(); i++) {
    for (const auto& [output, print] : expected[i].outputs) {
      const auto other = found[i].outputs.find(output);
      if (other != found[i].outputs.end()) {
        compare_output(output, expected[i].text, print, other->second, checks);
      } else {
        checks.add(fmt::format("{} of {}", output, quote(expected[i].text)), Outcome::fail,
                   "the model does not have this output here");
      }
    }
  }
}

}  // namespace bgem3
