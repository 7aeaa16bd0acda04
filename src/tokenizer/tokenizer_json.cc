// Reads a tokenizer.json, part by part. Every component is dispatched on its "type", and every key of a component must
// be one that its reader knows: what we do not run is refused by name, so that a file is either run exactly or not at
// all.
#include "tokenizer/tokenizer_json.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <unordered_set>

#include "base/error.h"
#include "base/json.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

template <typename... Args>
[[noreturn]] void unsupported(const Json& where, fmt::format_string<Args...> format, Args&&... args) {
  fail<ModelLoadingError>(ErrorCode::unsupported, "{}: {}; bgem3 runs the tokenizers of XLM-RoBERTa and BERT models",
                          where.where(), fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
[[noreturn]] void corrupt(const Json& where, fmt::format_string<Args...> format, Args&&... args) {
  fail<ModelLoadingError>(ErrorCode::corrupt, "{}: {}; the file may be damaged or edited", where.where(),
                          fmt::format(format, std::forward<Args>(args)...));
}

// The keys of an object must be among these ("type" always is).
void expect_keys(const Json& json, std::string_view what, std::initializer_list<std::string_view> keys) {
  for (const auto& [key, value] : json.members()) {
    if (key != "type" && std::find(keys.begin(), keys.end(), key) == keys.end()) {
      unsupported(value, "{} has the unknown option \"{}\"", what, key);
    }
  }
}

bool is_null(const Json* json) { return json == nullptr || json->is_null(); }

// The members of "normalizers" or "pretokenizers", Sequences in Sequences included; null is the empty list.
void flatten(const Json* json, std::string_view members, std::vector<const Json*>& list) {
  if (is_null(json)) return;
  if (json->at("type").string() != "Sequence") {
    list.push_back(json);
    return;
  }
  expect_keys(*json, "Sequence", {members});
  for (const Json& member : json->at(members).elements()) flatten(&member, members, list);
}

// A string of exactly one character.
std::string character(const Json& json) {
  const std::string& text = json.string();
  if (text.empty() || utf8::length(text[0]) != text.size()) corrupt(json, "expected one character, found \"{}\"", text);
  return text;
}

uint32_t id(const Json& json) { return static_cast<uint32_t>(json.integer(Trie::kNoId - 1)); }

NormalizerStep read_normalizer(const Json& json) {
  const std::string& type = json.at("type").string();
  if (type == "Precompiled") {
    expect_keys(json, type, {"precompiled_charsmap"});
    const Json& charsmap = json.at("precompiled_charsmap");
    const auto bytes = decode_base64(charsmap.string());
    if (!bytes) corrupt(charsmap, "precompiled_charsmap is not base64");
    return PrecompiledNormalizer(Charsmap(*bytes, charsmap.where()));
  }
  if (type == "Replace") {
    expect_keys(json, type, {"pattern", "content"});
    const Json& pattern = json.at("pattern");
    const std::string& content = json.at("content").string();
    if (const Json* text = pattern.find("String")) {
      if (text->string().empty()) unsupported(pattern, "Replace with an empty pattern");
      return ReplaceNormalizer{text->string(), content};
    }
    if (pattern.at("Regex").string() != " {2,}") {
      unsupported(pattern, "Replace with the regex \"{}\" (only \" {{2,}}\" is run)", pattern.at("Regex").string());
    }
    return ReplaceNormalizer{"", content};
  }
  if (type == "BertNormalizer") {
    expect_keys(json, type, {"clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
    const bool lowercase = json.at("lowercase").boolean();
    const Json* strip_accents = json.find("strip_accents");
    return BertNormalizer({.clean_text = json.at("clean_text").boolean(),
                           .handle_chinese_chars = json.at("handle_chinese_chars").boolean(),
                           .strip_accents = is_null(strip_accents) ? lowercase : strip_accents->boolean(),
                           .lowercase = lowercase});
  }
  if (type == "Lowercase") {
    expect_keys(json, type, {});
    return BertNormalizer(
        {.clean_text = false, .handle_chinese_chars = false, .strip_accents = false, .lowercase = true});
  }
  unsupported(json, "the normalizer \"{}\" is not run", type);
}

MetaspacePreTokenizer read_metaspace(const Json& json) {
  using Prepend = MetaspacePreTokenizer::Prepend;
  expect_keys(json, "Metaspace", {"replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split"});
  Prepend prepend = Prepend::always;
  if (const Json* scheme = json.find("prepend_scheme")) {
    static const std::map<std::string_view, Prepend> kSchemes = {
        {"always", Prepend::always}, {"first", Prepend::first}, {"never", Prepend::never}};
    const auto found = kSchemes.find(scheme->string());
    if (found == kSchemes.end()) unsupported(*scheme, "Metaspace with prepend_scheme \"{}\"", scheme->string());
    prepend = found->second;
  }
  const Json* add_prefix_space = json.find("add_prefix_space");
  if (!is_null(add_prefix_space) && !add_prefix_space->boolean()) {
    // The Hugging Face library asks for both spellings to agree.
    if (prepend != Prepend::never)
      corrupt(json, "Metaspace with add_prefix_space false needs prepend_scheme \"never\"");
  }
  const Json* split = json.find("split");
  return {character(json.at("replacement")), prepend, is_null(split) || split->boolean()};
}

PreTokenizerStep read_pre_tokenizer(const Json& json) {
  const std::string& type = json.at("type").string();
  if (type == "Metaspace") return read_metaspace(json);
  if (type == "WhitespaceSplit" || type == "BertPreTokenizer") {
    expect_keys(json, type, {});
    if (type == "WhitespaceSplit") return WhitespaceSplitPreTokenizer();
    return BertPreTokenizer();
  }
  unsupported(json, "the pre_tokenizer \"{}\" is not run", type);
}

Decoder read_decoder(const Json* json) {
  if (is_null(json)) return JoiningDecoder();
  const std::string& type = json->at("type").string();
  if (type == "Metaspace") {
    const MetaspacePreTokenizer metaspace = read_metaspace(*json);
    return MetaspaceDecoder{metaspace.replacement, metaspace.prepend != MetaspacePreTokenizer::Prepend::never};
  }
  if (type == "WordPiece") {
    expect_keys(*json, type, {"prefix", "cleanup"});
    return WordPieceDecoder{json->at("prefix").string(), json->at("cleanup").boolean()};
  }
  unsupported(*json, "the decoder \"{}\" is not run", type);
}

// The strings of a vocabulary by id, where there are any.
using Strings = std::vector<std::optional<std::string>>;

// Unigram's vocabulary: a list of pairs of a piece and its score.
Unigram read_unigram(const Json& json, Strings& vocabulary) {
  expect_keys(json, "Unigram", {"unk_id", "vocab", "byte_fallback"});
  const Json* byte_fallback = json.find("byte_fallback");
  if (!is_null(byte_fallback) && byte_fallback->boolean()) unsupported(*byte_fallback, "Unigram with byte_fallback");
  const std::vector<Json>& entries = json.at("vocab").elements();
  if (entries.empty()) corrupt(json, "the vocabulary is empty");
  if (entries.size() >= Trie::kNoId) unsupported(json, "a vocabulary of more than {} pieces", Trie::kNoId - 1);
  std::vector<std::string> pieces;
  std::vector<double> scores;
  pieces.reserve(entries.size());
  scores.reserve(entries.size());
  for (const Json& entry : entries) {
    const std::vector<Json>& pair = entry.elements();
    if (pair.size() != 2) corrupt(entry, "expected a piece and its score, found {} values", pair.size());
    const auto score = parse_number_as_serde(pair[1].number_text());
    if (!score) corrupt(pair[1], "the score {} is out of range", pair[1].number_text());
    pieces.push_back(pair[0].string());
    scores.push_back(*score);
  }
  const Json* unknown = json.find("unk_id");
  if (is_null(unknown)) unsupported(json, "Unigram without unk_id");
  const auto unknown_id = static_cast<uint32_t>(unknown->integer(pieces.size() - 1));
  Unigram model(pieces, scores, unknown_id);
  vocabulary.assign(std::make_move_iterator(pieces.begin()), std::make_move_iterator(pieces.end()));
  return model;
}

// WordPiece's vocabulary: an object from token to id.
WordPiece read_wordpiece(const Json& json, Strings& vocabulary) {
  expect_keys(json, "WordPiece", {"unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"});
  const std::vector<Json::Member>& members = json.at("vocab").members();
  std::vector<std::string_view> tokens;
  std::vector<uint32_t> ids;
  for (const auto& [token, value] : members) {
    tokens.push_back(token);
    ids.push_back(id(value));
    // Real files have none or few gaps; a single huge id must not make a huge table.
    if (ids.back() / 16 > members.size()) {
      corrupt(value, "the id {} of \"{}\" is out of proportion to a vocabulary of {} tokens", ids.back(), token,
              members.size());
    }
    if (ids.back() >= vocabulary.size()) vocabulary.resize(ids.back() + 1);
    if (vocabulary[ids.back()])
      corrupt(value, "the id {} belongs to \"{}\" and \"{}\"", ids.back(), *vocabulary[ids.back()], token);
    vocabulary[ids.back()] = token;
  }
  const std::string& unknown = json.at("unk_token").string();
  const auto found = std::find(tokens.begin(), tokens.end(), unknown);
  if (found == tokens.end()) corrupt(json, "the unk_token \"{}\" is not in the vocabulary", unknown);
  return WordPiece(tokens, ids,
                   {.unknown_id = ids[static_cast<size_t>(found - tokens.begin())],
                    .continuing_subword_prefix = json.at("continuing_subword_prefix").string(),
                    .max_input_chars_per_word = json.at("max_input_chars_per_word").integer()});
}

std::variant<Unigram, WordPiece> read_model(const Json& json, Strings& vocabulary) {
  if (json.find("type") == nullptr) {
    // Files of 2020 do not name the model; the Hugging Face library tries them by their members.
    if (json.find("continuing_subword_prefix") && !json.find("merges")) return read_wordpiece(json, vocabulary);
    unsupported(json, "the model has no type");
  }
  const std::string& type = json.at("type").string();
  if (type == "Unigram") return read_unigram(json, vocabulary);
  if (type == "WordPiece") return read_wordpiece(json, vocabulary);
  unsupported(json, "the model \"{}\" is not run", type);
}

void read_template(const Json* json, TokenizerParts& parts) {
  if (is_null(json)) return;
  const std::string& type = json->at("type").string();
  if (type == "TemplateProcessing") {
    expect_keys(*json, type, {"single", "pair", "special_tokens"});
    const Json& special_tokens = json->at("special_tokens");
    bool text_seen = false;
    for (const Json& piece : json->at("single").elements()) {
      if (const Json* sequence = piece.find("Sequence")) {
        if (text_seen || sequence->at("id").string() != "A")
          unsupported(piece, "a template that is not one text between special tokens");
        text_seen = true;
        continue;
      }
      const Json& token = piece.at("SpecialToken").at("id");
      const Json* entry = special_tokens.find(token.string());
      if (!entry) corrupt(token, "the template's token \"{}\" is not among its special_tokens", token.string());
      for (const Json& value : entry->at("ids").elements())
        (text_seen ? parts.after : parts.before).push_back(id(value));
    }
    if (!text_seen) unsupported(json->at("single"), "a template without the text");
    return;
  }
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    expect_keys(*json, type, {"cls", "sep", "trim_offsets", "add_prefix_space"});
    const Json* trim_offsets = json->find("trim_offsets");
    if (type == "RobertaProcessing" && (is_null(trim_offsets) || trim_offsets->boolean())) {
      unsupported(*json, "RobertaProcessing with trim_offsets");
    }
    for (const auto& [key, ids] : {std::pair{"cls", &parts.before}, std::pair{"sep", &parts.after}}) {
      const std::vector<Json>& pair = json->at(key).elements();
      if (pair.size() != 2) corrupt(*json, "expected a token and its id as \"{}\"", key);
      ids->push_back(id(pair[1]));
    }
    return;
  }
  unsupported(*json, "the post_processor \"{}\" is not run", type);
}

// Added tokens get their ids from the vocabulary or, if they are not in it, after it, in the file's order: what the
// Hugging Face library does whatever the file says. A file that says otherwise is refused.
void read_added_tokens(const Json* json, TokenizerParts& parts) {
  if (is_null(json)) return;
  uint32_t vocabulary_size = 0;
  for (size_t i = 0; i < parts.vocabulary.size(); i++) vocabulary_size += parts.vocabulary[i].has_value();
  uint32_t next_id = vocabulary_size;
  std::unordered_set<std::string> contents;
  std::unordered_set<uint32_t> ids;
  for (const Json& entry : json->elements()) {
    expect_keys(entry, "an added token", {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token{.id = id(entry.at("id")),
                     .content = entry.at("content").string(),
                     .single_word = entry.at("single_word").boolean(),
                     .lstrip = entry.at("lstrip").boolean(),
                     .rstrip = entry.at("rstrip").boolean(),
                     .normalized = entry.at("normalized").boolean(),
                     .special = entry.at("special").boolean()};
    if (token.content.empty()) unsupported(entry, "an empty added token");
    if (!contents.insert(token.content).second) corrupt(entry, "the added token \"{}\" appears twice", token.content);
    const auto in_vocabulary = std::visit([&](const auto& model) { return model.find(token.content); }, parts.model);
    const uint32_t expected = in_vocabulary ? *in_vocabulary : next_id;
    next_id = std::max({next_id, vocabulary_size, expected + 1});
    if (token.id != expected || !ids.insert(token.id).second) {
      corrupt(entry, "the added token \"{}\" has the id {}, its place in the vocabulary is {}", token.content, token.id,
              expected);
    }
    parts.added_tokens.push_back(std::move(token));
  }
  std::stable_partition(parts.added_tokens.begin(), parts.added_tokens.end(),
                        [](const AddedToken& token) { return token.special; });
}

}  // namespace

TokenizerParts read_tokenizer_json(std::string_view json, std::string_view name) {
  const Json root = Json::parse(json, name);
  expect_keys(root, "tokenizer.json",
              {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
               "decoder", "model"});
  if (const Json* version = root.find("version"); version && version->string() != "1.0") {
    unsupported(*version, "the version \"{}\" (known: \"1.0\")", version->string());
  }
  std::vector<const Json*> normalizers, pre_tokenizers;
  flatten(root.find("normalizer"), "normalizers", normalizers);
  flatten(root.find("pre_tokenizer"), "pretokenizers", pre_tokenizers);
  std::vector<NormalizerStep> normalizer_steps;
  for (const Json* step : normalizers) normalizer_steps.push_back(read_normalizer(*step));
  std::vector<PreTokenizerStep> pre_tokenizer_steps;
  for (const Json* step : pre_tokenizers) pre_tokenizer_steps.push_back(read_pre_tokenizer(*step));

  Strings vocabulary;
  auto model = read_model(root.at("model"), vocabulary);
  TokenizerParts parts{.added_tokens = {},
                       .normalizer = Normalizer(std::move(normalizer_steps)),
                       .pre_tokenizer = PreTokenizer(std::move(pre_tokenizer_steps)),
                       .vocabulary = Vocabulary(vocabulary),
                       .model = std::move(model),
                       .before = {},
                       .after = {},
                       .decoder = read_decoder(root.find("decoder"))};
  read_added_tokens(root.find("added_tokens"), parts);
  read_template(root.find("post_processor"), parts);
  return parts;
}

}  // namespace bgem3
