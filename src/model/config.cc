// One rule for every field: known and in range, or an error that names it. A component that bgem3 does not run is never
// approximated, and a number is checked against its limit before anything is computed from it.
#include "model/config.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/messages.h"
#include "model/modules.h"

namespace bgem3 {
namespace {

constexpr size_t kLongestText = 4 << 20;  // of a configuration file: far above any real one

// Far above any real encoder, and small enough that products of any three of them fit 64 bits.
constexpr size_t kMostHidden = 1 << 16;
constexpr size_t kMostLayers = 1 << 10;
constexpr size_t kMostFfn = 1 << 18;
constexpr size_t kMostVocab = 1 << 24;
constexpr size_t kMostPositions = 1 << 20;
constexpr size_t kMostTokenTypes = 1 << 10;

template <typename... Args>
[[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) {
  fail<ModelLoadingError>(ErrorCode::unsupported, format, std::forward<Args>(args)...);
}

template <typename... Args>
[[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) {
  fail<ModelLoadingError>(ErrorCode::corrupt, format, std::forward<Args>(args)...);
}

// One JSON file of the model, with typed reads that name file and key.
class Document {
 public:
  Document(const Json& json, std::string file) : json_(json), file_(std::move(file)) { json_.members(); }

  const std::string& file() const { return file_; }

  // The member, if it is there and not null.
  const Json* find(std::string_view key) const {
    const Json* value = json_.find(key);
    return value && !value->is_null() ? value : nullptr;
  }

  // A whole number in [least, most]; `silent` where the file does not say.
  size_t size(std::string_view key, size_t least, size_t most, std::optional<size_t> silent = std::nullopt) const {
    const Json* value = find(key);
    if (!value && silent) return *silent;
    if (!value) corrupt("{}: the key {} is missing", file_, quote(key));
    uint64_t number = 0;
    try {
      number = value->integer(most);
    } catch (const ModelLoadingError& error) {
      corrupt("{}: key {}: {}", file_, quote(key), error.what());
    }
    if (number < least) corrupt("{}: key {} is {}, expected {} to {}", file_, quote(key), number, least, most);
    return number;
  }

  // Refuses any other text than `only`, also where the key is missing and `silent` differs.
  void require_text(std::string_view key, std::string_view only) const {
    const Json* value = find(key);
    if (value && value->string() != only) {
      unsupported("{}: {} is {}; bgem3 runs only {}", file_, quote(key), quote(value->string()), quote(only));
    }
  }

  bool flag(std::string_view key, bool silent) const {
    const Json* value = find(key);
    return value ? value->boolean() : silent;
  }

 private:
  const Json& json_;
  std::string file_;
};

class ConfigReader {
 public:
  ConfigReader(const TextSource& source, std::string_view where) : source_(source), where_(where) {}

  ModelConfig read() {
    read_encoder();
    read_modules();
    read_limit();
    return std::move(config_);
  }

 private:
  std::string file(std::string_view name) const { return fmt::format("{}{}", where_, name); }

  std::optional<Json> load(const std::string& name) const {
    const auto text = source_(name);
    if (!text) return std::nullopt;
    return Json::parse(*text, file(name));
  }

  Json need(const std::string& name) const {
    auto json = load(name);
    if (!json)
      fail<ModelLoadingError>(ErrorCode::not_found, "{}: no such file; the model's folder is incomplete", file(name));
    return std::move(*json);
  }

  void read_encoder() {
    const Json json = need("config.json");
    const Document document(json, file("config.json"));
    config_.model_type = json.at("model_type").string();
    const bool xlm_roberta = config_.model_type == "xlm-roberta";
    if (!xlm_roberta && config_.model_type != "bert") {
      unsupported("{}: model_type is {}; bgem3 runs \"xlm-roberta\" and \"bert\"", document.file(),
                  quote(config_.model_type));
    }
    config_.hidden = document.size("hidden_size", 1, kMostHidden);
    config_.layers = document.size("num_hidden_layers", 1, kMostLayers);
    config_.heads = document.size("num_attention_heads", 1, kMostHidden);
    config_.ffn = document.size("intermediate_size", 1, kMostFfn);
    config_.vocab = document.size("vocab_size", 1, kMostVocab);
    config_.position_rows = document.size("max_position_embeddings", 1, kMostPositions);
    // Where a file is silent, transformers' XLMRobertaConfig and BertConfig say:
    config_.token_types = document.size("type_vocab_size", 1, kMostTokenTypes, 2);
    config_.pad_id = static_cast<uint32_t>(document.size("pad_token_id", 0, config_.vocab - 1, xlm_roberta ? 1 : 0));
    config_.layer_norm_eps = 1e-12f;
    if (const Json* eps = document.find("layer_norm_eps")) {
      const double value = eps->number();
      if (!(value >= std::numeric_limits<float>::min() && value <= 1)) {
        corrupt("{}: key \"layer_norm_eps\" is {}, expected a number from {} to 1", document.file(), eps->number_text(),
                std::numeric_limits<float>::min());
      }
      config_.layer_norm_eps = static_cast<float>(value);
    }
    if (config_.hidden % config_.heads != 0) {
      corrupt("{}: hidden_size {} is not a multiple of num_attention_heads {}", document.file(), config_.hidden,
              config_.heads);
    }
    document.require_text("hidden_act", "gelu");
    document.require_text("position_embedding_type", "absolute");
    for (const char* key : {"is_decoder", "add_cross_attention"}) {
      if (document.flag(key, false))
        unsupported("{}: {} is true; bgem3 runs encoders only", document.file(), quote(key));
    }
    if (document.find("auto_map"))
      unsupported("{}: \"auto_map\" asks for code of the model's own, which bgem3 does not run", document.file());
    if (document.find("quantization_config")) {
      unsupported("{}: \"quantization_config\": quantized weights are not supported; use the model in F32, F16 or BF16",
                  document.file());
    }
    if (const Json* pruned = document.find("pruned_heads"); pruned && !pruned->members().empty()) {
      unsupported("{}: \"pruned_heads\" is not empty; bgem3 runs models with all heads", document.file());
    }
  }

  void read_modules() {
    const auto text = source_("modules.json");
    if (!text) {
      // What sentence-transformers does with a plain transformers model.
      config_.pooling = Pooling::mean;
      config_.normalize = false;
      return;
    }
    const Modules modules = parse_modules(*text, file("modules.json"));
    config_.normalize = modules.normalize;
    const std::string name = fmt::format("{}/config.json", modules.pooling_folder);
    const Json json = need(name);
    const Document document(json, file(name));
    config_.pooling = read_pooling(document);
    for (const char* key : {"word_embedding_dimension", "embedding_dimension"}) {
      const size_t width = document.size(key, 1, kMostHidden, config_.hidden);
      if (width != config_.hidden) {
        corrupt("{}: {} is {}, but hidden_size of config.json is {}", document.file(), quote(key), width,
                config_.hidden);
      }
    }
    if (!document.flag("include_prompt", true)) {
      unsupported("{}: \"include_prompt\" is false; bgem3 pools over all tokens, the prompt's included",
                  document.file());
    }
  }

  // The newer spelling names the mode; the older one has a flag for each, of which exactly one is to be set.
  static Pooling read_pooling(const Document& document) {
    if (const Json* mode = document.find("pooling_mode")) {
      if (mode->string() == "cls") return Pooling::cls;
      if (mode->string() == "mean") return Pooling::mean;
      unsupported("{}: \"pooling_mode\" is {}; bgem3 runs \"cls\" and \"mean\"", document.file(),
                  quote(mode->string()));
    }
    for (const char* key : {"pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
                            "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"}) {
      if (document.flag(key, false))
        unsupported("{}: {} is true; bgem3 runs cls and mean pooling", document.file(), quote(key));
    }
    const bool cls = document.flag("pooling_mode_cls_token", false);
    const bool mean = document.flag("pooling_mode_mean_tokens", true);
    if (cls == mean) {
      unsupported("{}: pooling_mode_cls_token and pooling_mode_mean_tokens are both {}; bgem3 runs exactly one",
                  document.file(), cls);
    }
    return cls ? Pooling::cls : Pooling::mean;
  }

  // How long a text may be: what the files say, but never more than the position table serves.
  void read_limit() {
    size_t rows = config_.position_rows;
    if (config_.model_type == "xlm-roberta") {
      // The first token's position is pad_id + 1.
      const size_t reserved = size_t{config_.pad_id} + 1;
      if (rows <= reserved) {
        corrupt("{}: max_position_embeddings {} leaves no position after pad_token_id {}", file("config.json"), rows,
                config_.pad_id);
      }
      rows -= reserved;
    }
    std::optional<size_t> stated;
    std::optional<Json> tokenizer = load("tokenizer_config.json");
    for (const char* name :
         {"sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json"}) {
      const auto json = load(name);
      if (!json) continue;
      const Document document(*json, file(name));
      if (document.find("max_seq_length"))
        stated = document.size("max_seq_length", 1, std::numeric_limits<uint32_t>::max());
      // BERT's uncased tokenizers lower-case by themselves; then this flag changes nothing.
      const bool lowers =
          config_.model_type == "bert" && tokenizer && Document(*tokenizer, {}).flag("do_lower_case", false);
      if (document.flag("do_lower_case", false) && !lowers) {
        unsupported("{}: \"do_lower_case\" is true, but the tokenizer keeps upper case; bgem3 changes no text itself",
                    document.file());
      }
      break;
    }
    if (!stated && tokenizer) {
      if (const Json* length = tokenizer->find("model_max_length"); length && !length->is_null()) {
        // "No limit" is written as 1e30.
        const double value = length->number();
        if (!(value >= 1)) corrupt("{}: expected at least 1, found {}", length->where(), length->number_text());
        if (value < static_cast<double>(rows)) stated = static_cast<size_t>(value);
      }
    }
    config_.max_tokens = std::min(stated.value_or(rows), rows);
  }

  const TextSource& source_;
  std::string_view where_;
  ModelConfig config_;
};

TextSource source_of(const ModelFiles& files) {
  return [&files](const std::string& name) -> std::optional<std::string> {
    if (!files.has(name)) return std::nullopt;
    return read_file(files.path(name), kLongestText);
  };
}

}  // namespace

const char* to_string(Pooling pooling) { return pooling == Pooling::cls ? "cls" : "mean"; }

Pooling parse_pooling(const std::string& name) {
  if (name == "cls") return Pooling::cls;
  if (name == "mean") return Pooling::mean;
  fail<InvalidInputError>(ErrorCode::invalid_input, "pooling {}: expected cls or mean", quote(name));
}

ModelConfig read_config(const TextSource& source, std::string_view where) { return ConfigReader(source, where).read(); }

ModelConfig read_config(const ModelFiles& files) { return read_config(source_of(files), files.path("")); }

Prompts read_prompts(const TextSource& source, std::string_view where) {
  constexpr const char* kName = "config_sentence_transformers.json";
  Prompts prompts;
  const auto text = source(kName);
  if (!text) return prompts;
  const Json json = Json::parse(*text, fmt::format("{}{}", where, kName));
  if (const Json* texts = json.find("prompts"); texts && !texts->is_null()) {
    for (const auto& [name, prompt] : texts->members()) prompts.texts[name] = prompt.string();
  }
  if (const Json* name = json.find("default_prompt_name"); name && !name->is_null()) {
    prompts.default_name = name->string();
    if (!prompts.texts.contains(prompts.default_name)) {
      corrupt("{}: default_prompt_name {} is not among the prompts", name->where(), quote(prompts.default_name));
    }
  }
  return prompts;
}

Prompts read_prompts(const ModelFiles& files) { return read_prompts(source_of(files), files.path("")); }

}  // namespace bgem3
