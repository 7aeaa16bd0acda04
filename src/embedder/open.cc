#include "embedder/open.h"

#include <algorithm>

#include "base/cpu.h"
#include "base/error.h"
#include "base/sha256.h"
#include "bgem3/embedder.h"
#include "kernels/ops.h"
#include "model/config.h"

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

}  // namespace

OpenedModel open_model(const OpenOptions& options) {
  const Ops& ops = ops_for(options.isa);
  ModelFiles files = find_model(options.model);
  const ModelConfig config = read_config(files);
  Tokenizer tokenizer = Tokenizer::from_file(files.path("tokenizer.json"));
  check_vocabulary(files, tokenizer, config);

  ModelInfo info;
  info.name = files.name;
  info.folder = files.folder;
  info.revision = files.revision;
  info.config = config;
  info.weights_format = files.weights.front().ends_with(".bin") ? "pytorch" : "safetensors";
  info.tokenizer = tokenizer.kind();
  const Prompts prompts = read_prompts(files);
  info.prompts = prompts.texts;
  info.default_prompt = prompts.default_name;
  info.files = files.files;
  if (options.hash_files) {
    for (ModelFile& file : info.files) file.sha256 = sha256_of_file(file.path);
  }
  info.dtype = to_string(parse_precision(options.dtype));
  info.isa = ops.name;
  info.isas_present = present_isas();
  choose_threads(options.threads, info);
  return {std::move(files), std::move(tokenizer), std::move(info)};
}

ModelInfo describe_model(const OpenOptions& options) { return open_model(options).info; }

Tokenizer open_tokenizer(const std::string& model) {
  return Tokenizer::from_file(find_model(model).path("tokenizer.json"));
}

}  // namespace bgem3
