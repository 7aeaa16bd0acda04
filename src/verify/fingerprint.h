// What a model gives on one machine, to be compared with on another: as data, as JSON, and the comparison.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bgem3/embedder.h"
#include "verify/checks.h"

namespace bgem3 {

// The fixed texts, of many lengths and scripts; the longest is cut at kFingerprintTokens, or the model's limit.
struct FingerprintText {
  std::string name;
  std::string text;
};
const std::vector<FingerprintText>& fingerprint_texts();
constexpr size_t kFingerprintTokens = 512;

// One output of one text: the hash of all its bytes, and enough of its numbers to say by how much another differs.
struct OutputPrint {
  std::string sha256;         // sparse: of the ids, then the weights
  std::vector<uint32_t> ids;  // sparse only
  std::vector<float> values;  // dense: the vector; sparse: the weights; multi: the first number of each token's vector
};

struct TextPrint {
  std::string text;                            // its name
  std::map<std::string, OutputPrint> outputs;  // "dense", and "sparse", "multi" where the model has them
};

struct Fingerprint {
  std::string version;  // of bgem3
  std::string model, revision;
  struct File {
    std::string name;
    size_t size_bytes;
    std::string sha256;
  };
  std::vector<File> files;
  struct Ids {
    std::string text;
    size_t tokens;
    std::string sha256;  // of the ids, u32
  };
  std::vector<Ids> ids;
  std::map<std::string, std::vector<TextPrint>> by_dtype;
};

// The prints of the texts' ids and outputs. Throws InferenceError if a text has failed.
std::vector<Fingerprint::Ids> print_ids(const Tokenizer& tokenizer, size_t max_tokens);
std::vector<TextPrint> print_outputs(const EmbedResult& result, const Outputs& outputs);

std::string to_json(const Fingerprint& fingerprint);
// Throws InvalidInputError, which begins with `name`: no fingerprint, damaged, or made with other texts than
// fingerprint_texts().
Fingerprint parse_fingerprint(std::string_view json, std::string_view name);

// Checks of what two fingerprints say of files and ids, and of the outputs in one precision.
void compare_files_and_ids(const Fingerprint& expected, const Fingerprint& found, Checks& checks);
void compare_outputs(const std::vector<TextPrint>& expected, const std::vector<TextPrint>& found, Checks& checks);

}  // namespace bgem3
