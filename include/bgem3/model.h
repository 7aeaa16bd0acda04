// Facts about a model, as read from its files. Start at ModelInfo.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace bgem3 {

// How the token vectors of a text become one vector.
enum class Pooling {
  cls,   // the first token's vector (bge models)
  mean,  // the mean over all tokens, template tokens included (MiniLM, e5)
};

const char* to_string(Pooling pooling);
// The inverse; throws InvalidInputError that lists the valid names.
Pooling parse_pooling(const std::string& name);

// The three outputs of bge-m3: which a model has, or a request asks for.
struct Outputs {
  bool dense = true;    // one vector a text
  bool sparse = false;  // a weight for each token id of a text
  bool multi = false;   // a vector for each token of a text

  bool operator==(const Outputs&) const = default;
};

// Sizes and rules of an encoder. Source: config.json, sentence_bert_config.json, modules.json, 1_Pooling/config.json.
struct ModelConfig {
  std::string model_type;  // "xlm-roberta" or "bert"
  size_t hidden = 0;       // width of a token vector and of the result
  size_t layers = 0;
  size_t heads = 0;          // hidden = heads * head size
  size_t ffn = 0;            // inner width of the feed-forward block
  size_t vocab = 0;          // rows of the word embedding table
  size_t position_rows = 0;  // rows of the position table
  size_t token_types = 0;    // rows of the token type table; row 0 is always added
  float layer_norm_eps = 0;
  uint32_t pad_id = 0;    // of config.json: XLM-RoBERTa's positions depend on it
  size_t max_tokens = 0;  // longest text in tokens, template tokens included
  Pooling pooling = Pooling::cls;
  bool normalize = false;  // the model's own last step scales vectors to length one

  size_t head_size() const { return hidden / heads; }
  // XLM-RoBERTa: positions count from pad_id + 1, a padding token has pad_id and is not counted. BERT: from 0, all
  // tokens.
  bool positions_skip_padding() const { return model_type == "xlm-roberta"; }
};

// One file of a model.
struct ModelFile {
  std::string name;  // relative to the model's folder: "1_Pooling/config.json"
  std::string path;  // where it lies
  size_t size_bytes = 0;
  std::string sha256;    // lower-case hexadecimal; empty unless it was asked for
  std::string verified;  // against what its content was checked: "published", the digests of bge-m3's files; "blob
                         // name", the hash that the Hugging Face cache calls it by; empty: there is nothing to check
};

// The file that holds a model's weights in the order the kernels read, for starts to map.
struct PackedCacheFile {
  std::string path;       // where it is or would be; empty without a cache folder
  size_t size_bytes = 0;  // 0 if it is not there
  std::string state;      // "present"; "built" by this start; "none": weights are, or would be, packed into memory;
                          // "absent": the next start builds it; "damaged": the same
};

// Everything that `bgem3 info` shows about a loaded model.
struct ModelInfo {
  std::string name;      // as the caller named it
  std::string folder;    // where its files are
  std::string revision;  // commit of a Hugging Face cache snapshot; empty for a plain folder
  ModelConfig config;
  Outputs outputs;                             // that it has: sparse and multi need a head of their own
  std::string weights_format;                  // "safetensors" or "pytorch"
  std::string tokenizer;                       // "unigram" or "wordpiece"
  std::map<std::string, std::string> prompts;  // name to text (config_sentence_transformers.json)
  std::string default_prompt;                  // name of the prompt that the model asks for; empty for none
  std::vector<ModelFile> files;                // those that were read
  std::string verification;                    // of all files: "published", "blob names", or "unverified"
  std::string digest;  // SHA-256 over configuration, tokenizer and weights; empty without a packed file or hash_files
  std::string dtype;   // precision of the computation: "f32"
  std::string isa;     // instruction set in use
  std::vector<std::string> isas_present;  // those this machine could use, slowest first
  int threads = 0;                        // in use
  std::string threads_reason;             // why so many
  PackedCacheFile packed;
  std::vector<std::string> notices;  // what the user may want to know: no cache, a damaged file; one line each
};

}  // namespace bgem3
#pragma GCC visibility pop
