#include "embedder/open.h"

#include <algorithm>
#include <utility>

#include "base/cpu.h"
#include "base/error.h"
#include "bgem3/chunker.h"
#include "bgem3/embedder.h"
#include "embedder/cache.h"
#include "kernels/ops.h"
#include "model/config.h"
#include "model/model_digest.h"
#include "model/packed_file.h"
#include "model/verification.h"
#include "tokenizer/compiled.h"

namespace bgem3 {
namespace {

// Some models have a few rows without a token (multilingual-e5: 35), or pad the table to a round number.
constexpr size_t kMostUnnamedRows = 1024;

void check_vocabulary(const ModelFiles& files, const Tokenizer& tokenizer, const ModelConfig& config) {
  const size_t tokens = tokenizer.vocab_size();
  if (tokens <= config.vocab && config.vocab - tokens <= kMostUnnamedRows) return;
  fail<ModelLoadingError>(
      ErrorCode::corrupt,
      "{}: {} tokens, but config.json says the embedding table has {} rows; is it another model's tokenizer?",
      files.path("tokenizer.json"), tokens, config.vocab);
}

void choose_threads(int wanted, ModelInfo& info) {
  if (wanted < 0)
    fail<InvalidInputError>(ErrorCode::invalid_input, "threads: {}, expected 0 (automatic) or more", wanted);
  const CoreBudget budget = core_budget();
  info.threads = wanted == 0 ? budget.cores : std::min(wanted, budget.cores);
  info.threads_reason = budget.reason;
  if (wanted > budget.cores) info.threads_reason += fmt::format("; {} were asked for", wanted);
}

constexpr const char* kTokenizerSection = "tokenizer";

// The folder of packed files, which is there; empty, with a notice, if there can be none.
std::string make_cache_folder(const OpenOptions& options, ModelInfo& info) {
  if (!options.packed_cache) return {};
  const std::string folder = cache_folder_for(options.cache_dir);
  if (folder.empty()) {
    info.notices.push_back("no packed file: none of BGEM3_CACHE_DIR, XDG_CACHE_HOME and HOME is set");
    return {};
  }
  try {
    make_folders(folder);
  } catch (const ModelLoadingError& error) {
    info.notices.push_back(fmt::format("no packed file: {}", error.what()));
    return {};
  }
  return folder;
}

// What the files are: verified or not, their digest where it is wanted or a packed file is named by it.
void identify(const OpenOptions& options, const std::string& cache_folder, OpenedModel& opened) {
  ModelInfo& info = opened.info;
  FileHashes hashes(cache_folder, options.hash_files);
  info.verification = verify_files(opened.files, hashes);
  info.files = opened.files.files;
  if (options.hash_files) {
    for (ModelFile& file : info.files) file.sha256 = hashes.sha256(file.path);
  }
  if (!cache_folder.empty() || options.hash_files) info.digest = model_digest(opened.files, hashes);
  hashes.remember();
}

// Where the packed file of this model is, and what it must be made for; both stay empty where there can be none.
void find_packed_file(const std::string& cache_folder, OpenedModel& opened) {
  ModelInfo& info = opened.info;
  info.packed.state = "none";
  if (cache_folder.empty()) return;
  opened.packed_key = packed_file_key(info.digest, info.dtype);
  info.packed.path = fmt::format("{}/{}", cache_folder, packed_file_name(info.digest, info.dtype));
  info.packed.state = "absent";
}

// Opens the packed file if it is there and sound: all that a start needs is looked at, the weights only with
// `every_byte`.
void open_packed_file_if_sound(OpenedModel& opened, bool every_byte) {
  ModelInfo& info = opened.info;
  if (!is_file(info.packed.path)) return;
  try {
    const auto sections = std::make_shared<const Sections>(open_packed_file(info.packed.path, opened.packed_key));
    info.packed.size_bytes = sections->file()->bytes().size();
    if (every_byte) verify_sections(*sections);
    info.outputs = open_packed_model(info.config, opened.precision, sections).outputs();
    const Section* tokenizer = sections->find(kTokenizerSection);
    if (!tokenizer) {
      fail<ModelLoadingError>(ErrorCode::corrupt, "{}: section tokenizer is missing", info.packed.path);
    }
    opened.tokenizer.emplace(CompiledTokenizer::read(tokenizer->bytes, sections, info.packed.path));
    opened.packed = sections;
    info.packed.state = "present";
  } catch (const ModelLoadingError& error) {
    info.packed.state = "damaged";
    info.notices.push_back(error.what());
  }
}

}  // namespace

OpenedModel open_model(const OpenOptions& options) {
  const Ops& ops = ops_for(options.isa);
  OpenedModel opened;
  opened.precision = parse_precision(options.dtype);
  opened.files = find_model(options.model);
  const ModelFiles& files = opened.files;

  ModelInfo& info = opened.info;
  info.name = files.name;
  info.folder = files.folder;
  info.revision = files.revision;
  info.config = read_config(files);
  info.weights_format = files.weights.front().ends_with(".bin") ? "pytorch" : "safetensors";
  const Prompts prompts = read_prompts(files);
  info.prompts = prompts.texts;
  info.default_prompt = prompts.default_name;
  info.dtype = to_string(opened.precision);
  info.isa = ops.name;
  info.isas_present = present_isas();
  choose_threads(options.threads, info);
  if (opened.precision != Precision::f32 && !ops.has_bf16) {
    info.notices.push_back(
        fmt::format("{} has no instructions for bf16: {} computed to the same bits at the speed of f32", ops.name,
                    opened.precision == Precision::bf16 ? "it is" : "attention is"));
  }

  const std::string cache_folder = make_cache_folder(options, info);
  identify(options, cache_folder, opened);
  find_packed_file(cache_folder, opened);
  open_packed_file_if_sound(opened, options.hash_files);
  if (!opened.tokenizer) opened.tokenizer.emplace(Tokenizer::from_file(files.path("tokenizer.json")));
  info.tokenizer = opened.tokenizer->kind();
  check_vocabulary(files, *opened.tokenizer, info.config);
  if (!opened.packed) {
    opened.weights.emplace(load_weights(files, info.config));
    info.outputs = {.sparse = opened.weights->sparse_head.is_there(), .multi = opened.weights->multi_head.is_there()};
  }
  return opened;
}

PackedModel load_packed_model(OpenedModel& opened, const Tokenizer& tokenizer, ModelInfo& info, Team& team) {
  const auto open_file = [&] {
    auto sections = std::make_shared<const Sections>(open_packed_file(info.packed.path, opened.packed_key));
    info.packed.size_bytes = sections->file()->bytes().size();
    return open_packed_model(info.config, opened.precision, std::move(sections));
  };
  if (opened.packed) return open_packed_model(info.config, opened.precision, opened.packed);
  const Weights weights = *std::exchange(opened.weights, std::nullopt);
  if (!opened.packed_key.empty()) {
    try {
      PackedFileWriter file(info.packed.path, opened.packed_key);
      try {
        // Another process may have built it while we waited for its lock.
        if (info.packed.state == "absent" && is_file(info.packed.path)) return open_file();
      } catch (const ModelLoadingError&) {  // then it is built here
      }
      const std::string compiled = CompiledTokenizer::make(tokenizer);
      file.add(kModelNameSection, 0, std::as_bytes(std::span(info.name)));
      file.add(kTokenizerSection, 0, std::as_bytes(std::span(compiled)));
      pack_model(weights, opened.precision, team, file);
      file.publish();
      info.packed.state = "built";
      return open_file();
    } catch (const ModelLoadingError& error) {
      // Not the model's own fault: a disk that is full, or somebody who empties the cache.
      if (error.code() != ErrorCode::io && error.code() != ErrorCode::not_found) throw;
      info.packed.state = "none";
      info.notices.push_back(fmt::format("no packed file, every start packs anew: {}", error.what()));
    }
  }
  return pack_model(info.config, weights, opened.precision, team);
}

ModelInfo describe_model(const OpenOptions& options) { return open_model(options).info; }

Tokenizer open_tokenizer(const std::string& model) {
  return Tokenizer::from_file(find_model(model).path("tokenizer.json"));
}

TextChunker open_chunker(const ChunkingConfig& config) {
  if (config.unit != "tokens") return TextChunker(config, nullptr);
  return TextChunker(config, std::make_shared<const Tokenizer>(open_tokenizer(config.model_name)));
}

}  // namespace bgem3
