// bgem3 info: what a model is and how it would run on this machine.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iterator>
#include <utility>
#include <vector>

#include "bgem3/embedder.h"
#include "bgem3/version.h"
#include "commands.h"
#include "failure.h"
#include "json_writer.h"
#include "output.h"
#include "progress.h"
#include "unicode.h"

namespace bgem3::cli {

namespace {

std::vector<std::string> output_names(const Outputs& outputs) {
  std::vector<std::string> names;
  for (const auto& [there, name] :
       {std::pair(outputs.dense, "dense"), std::pair(outputs.sparse, "sparse"), std::pair(outputs.multi, "multi")}) {
    if (there) names.push_back(name);
  }
  return names;
}

std::string to_json(const ModelInfo& info) {
  const ModelConfig& config = info.config;
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("version").value(BGEM3_VERSION);
  json.key("model").value(info.name).key("folder").value(info.folder).key("revision").value(info.revision);
  json.key("config").begin_object();
  json.key("model_type").value(config.model_type);
  json.key("hidden").value(config.hidden).key("layers").value(config.layers).key("heads").value(config.heads);
  json.key("ffn").value(config.ffn).key("vocab").value(config.vocab);
  json.key("position_rows").value(config.position_rows).key("token_types").value(config.token_types);
  json.key("layer_norm_eps").value(config.layer_norm_eps).key("pad_id").value(config.pad_id);
  json.key("max_tokens").value(config.max_tokens).key("pooling").value(to_string(config.pooling));
  json.key("normalize").value(config.normalize);
  json.end_object();
  json.key("outputs").begin_array();
  for (const std::string& name : output_names(info.outputs)) json.value(name);
  json.end_array();
  json.key("weights_format").value(info.weights_format).key("tokenizer").value(info.tokenizer);
  json.key("prompts").begin_object();
  for (const auto& [name, prompt] : info.prompts) json.key(name).value(prompt);
  json.end_object();
  json.key("default_prompt").value(info.default_prompt);
  json.key("files").begin_array();
  for (const ModelFile& file : info.files) {
    json.begin_object().key("name").value(file.name).key("path").value(file.path);
    json.key("size_bytes").value(file.size_bytes).key("sha256").value(file.sha256);
    json.key("verified").value(file.verified).end_object();
  }
  json.end_array();
  json.key("verification").value(info.verification).key("digest").value(info.digest);
  json.key("dtype").value(info.dtype).key("isa").value(info.isa);
  json.key("isas_present").begin_array();
  for (const std::string& isa : info.isas_present) json.value(isa);
  json.end_array();
  json.key("threads").value(info.threads).key("threads_reason").value(info.threads_reason);
  json.key("packed").begin_object().key("path").value(info.packed.path);
  json.key("size_bytes").value(info.packed.size_bytes).key("state").value(info.packed.state).end_object();
  json.key("notices").begin_array();
  for (const std::string& notice : info.notices) json.value(notice);
  json.end_array();
  json.end_object();
  return out + "\n";
}

std::string to_text(const ModelInfo& info) {
  const ModelConfig& config = info.config;
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    fmt::format_to(std::back_inserter(out), "{:<18}{}\n", name, printable(value));
  };
  line("bgem3", BGEM3_VERSION);
  line("model", info.name);
  line("folder", info.folder);
  if (!info.revision.empty()) line("revision", info.revision);
  line("architecture", fmt::format("{}, {} layers, {} wide, {} heads, feed-forward {}", config.model_type,
                                   config.layers, config.hidden, config.heads, config.ffn));
  line("vocabulary", fmt::format("{} ({} tokenizer)", format_count(config.vocab), info.tokenizer));
  line("longest text", fmt::format("{} tokens", format_count(config.max_tokens)));
  line("vector", fmt::format("{} dimensions, {} pooling, {}", config.hidden, to_string(config.pooling),
                             config.normalize ? "length one" : "not normalized"));
  line("outputs", fmt::format("{}", fmt::join(output_names(info.outputs), ", ")));
  for (const auto& [name, prompt] : info.prompts) {
    line("prompt", fmt::format("{}: \"{}\"{}", name, prompt, name == info.default_prompt ? " (default)" : ""));
  }
  std::string isas;
  for (const std::string& isa : info.isas_present) isas += (isas.empty() ? "" : ", ") + isa;
  line("precision", info.dtype);
  line("instruction set", fmt::format("{} (present: {})", info.isa, isas));
  line("threads", fmt::format("{} ({})", info.threads, info.threads_reason));
  line("weights", info.weights_format);
  line("packed weights", info.packed.size_bytes == 0
                             ? fmt::format("{} {}", info.packed.state, info.packed.path)
                             : fmt::format("{}, {} bytes: {}", info.packed.state, format_count(info.packed.size_bytes),
                                           info.packed.path));
  line("verified", info.verification == "published" ? "yes: every file is the published one"
                   : info.verification == "blob names"
                       ? "yes: every file has the hash that the Hugging Face cache states"
                       : "no: some file has no known hash to be compared with");
  for (const std::string& notice : info.notices) line("note", notice);
  out += "files\n";
  for (const ModelFile& file : info.files) {
    fmt::format_to(std::back_inserter(out), "  {:>13}  {}  {}{}\n", format_count(file.size_bytes), file.sha256,
                   printable(file.name), file.verified.empty() ? "" : fmt::format(" ({})", file.verified));
  }
  return out;
}

}  // namespace

int run_info(const InfoArguments& arguments) {
  OpenOptions options = arguments.open;
  options.hash_files = true;
  const ModelInfo info = describe_model(options);
  OutputFile out = OutputFile::standard();
  out.write(arguments.json ? to_json(info) : to_text(info));
  out.finish();
  return kExitOk;
}

}  // namespace bgem3::cli
