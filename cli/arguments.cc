// This file and description.cc are the only ones that include CLI11 (it takes seconds to compile), hence its lines.
// Each command is one function that declares its options into its struct; shared groups of options are functions of
// their own. Values with few names go through `choice`, whose errors list them.
#include "arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <functional>
#include <initializer_list>
#include <optional>
#include <tuple>
#include <utility>

#include "bgem3/version.h"
#include "description.h"
#include "failure.h"
#include "help_texts.h"

namespace bgem3::cli {

namespace {

// Puts the examples, which are part of a command's description, only where the command's own help is shown.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(34);
    label("REQUIRED", "(required)");
  }

  std::string make_subcommand(const CLI::App* command) const override {
    const std::string description = command->get_description();
    return fmt::format("  {:<12}{}\n", command->get_name(), description.substr(0, description.find('\n')));
  }
};

template <typename T>
using Choices = std::initializer_list<std::pair<const char*, T>>;

// An option whose value is one of a few names.
template <typename T>
void choice(CLI::App& app, const std::string& name, T& value, Choices<T> choices, const std::string& description) {
  const std::vector<std::pair<const char*, T>> table(choices);
  std::string names;
  for (const auto& entry : table) names += (names.empty() ? "" : "|") + std::string(entry.first);
  app.add_option_function<std::string>(
         name,
         [=, &value](const std::string& given) {
           for (const auto& [known, meaning] : table) {
             if (given == known) {
               value = meaning;
               return;
             }
           }
           throw UsageError(fmt::format("{}: expected one of {}, found '{}'", name, names, given));
         },
         description)
      ->type_name(names);
}

// A whole number in [least, most]. CLI11 would print the range into the help.
template <typename T>
CLI::Option* count(CLI::App& app, const std::string& name, T& value, T most, const std::string& description,
                   T least = 1) {
  return app.add_option(name, value, description)->check(CLI::Range(least, most).description(""));
}

// A positive number of bytes: "800M", "1.5G", "2GiB", "1000000". K, M and G are powers of 1,024, as KiB, MiB and GiB.
size_t parse_bytes(const std::string& option, const std::string& given) {
  size_t end = 0;
  while (end < given.size() && (std::isdigit(static_cast<unsigned char>(given[end])) || given[end] == '.')) end++;
  double number = 0;
  const auto [rest, error] = std::from_chars(given.data(), given.data() + end, number);
  const std::string unit = given.substr(end);
  for (const auto& [names, factor] : {std::pair("||B|", 1.0), std::pair("|K|KiB|", 0x1p10),
                                      std::pair("|M|MiB|", 0x1p20), std::pair("|G|GiB|", 0x1p30)}) {
    const bool known = std::string(names).find("|" + unit + "|") != std::string::npos;
    if (known && end > 0 && error == std::errc() && rest == given.data() + end && number * factor >= 1 &&
        number * factor < 0x1p60) {
      return static_cast<size_t>(number * factor);
    }
  }
  throw UsageError(fmt::format(
      "{}: expected a number of bytes such as 800M or 1.5G (K, M, G, KiB, MiB, GiB), found '{}'", option, given));
}

constexpr size_t kMostChunkSize = size_t{1} << 40;

// The library's sizes, in proportion to another maximum.
ChunkingConfig chunking_up_to(size_t max_chunk_size) {
  ChunkingConfig config;
  const auto scale = [&](size_t size) { return size * max_chunk_size / ChunkingConfig().max_chunk_size; };
  config.target_chunk_size = scale(config.target_chunk_size);
  config.min_chunk_size = scale(config.min_chunk_size);
  config.max_chunk_size = max_chunk_size;
  return config;
}

void add_input(CLI::App& app, InputOptions& input) {
  choice<InputFormat>(app, "--input-format", input.format,
                      {{"lines", InputFormat::lines},
                       {"jsonl", InputFormat::jsonl},
                       {"document", InputFormat::document},
                       {"auto", InputFormat::detect}},
                      "How texts stand in the input [auto]");
  app.add_option("--text-field", input.text_field, "JSONL: the member that is the text")
      ->capture_default_str()
      ->type_name("NAME");
  app.add_option("--id-field", input.id_field, "JSONL: the member that is the id")
      ->capture_default_str()
      ->type_name("NAME");
  app.footer(kInputFooter);
}

void add_model(CLI::App& app, std::string& model) {
  app.add_option("--model", model, "A folder, or ORGANISATION/NAME[@REVISION] in the Hugging Face cache")
      ->capture_default_str()
      ->type_name("MODEL");
}

void add_pull_flag(CLI::App& app, bool& pull) {
  app.add_flag("--pull", pull, "Download the model if it is missing; on a terminal you are asked without it");
}

void add_cache_dir(CLI::App& app, std::string& cache_dir) {
  app.add_option("--cache-dir", cache_dir,
                 "Folder of the packed weights [$BGEM3_CACHE_DIR, else $XDG_CACHE_HOME/bgem3, else ~/.cache/bgem3]")
      ->type_name("FOLDER");
}

// Without the precision: verify takes several.
void add_resources(CLI::App& app, OpenOptions& open) {
  count(app, "--threads", open.threads, 4096, "Most threads [all cores this process may use]")->type_name("N");
  app.add_option_function<std::string>(
         "--max-memory",
         [&open](const std::string& given) { open.max_memory_bytes = parse_bytes("--max-memory", given); },
         "Ceiling for the memory of this process, for example 1.5G [none]")
      ->type_name("BYTES");
  app.add_option("--isa", open.isa, "Instruction set: scalar, avx2, avx512, auto (same bits on each)")
      ->capture_default_str()
      ->type_name("NAME");
  app.add_flag_callback(
      "--no-packed-cache", [&open] { open.packed_cache = false; },
      "Pack the weights into memory, without a file for the next starts");
  add_cache_dir(app, open.cache_dir);
}

void add_machine(CLI::App& app, OpenOptions& open) {
  choice<std::string>(app, "--dtype", open.dtype,
                      {{"f32", "f32"}, {"float32", "f32"}, {"bf16", "bf16"}, {"bfloat16", "bf16"}, {"int8", "int8"}},
                      "Precision of the computation [f32]");
  add_resources(app, open);
}

void add_special_tokens_rule(CLI::App& app, SpecialTokensInText& special) {
  choice<SpecialTokensInText>(app, "--special-tokens-in-text", special,
                              {{"match", SpecialTokensInText::match}, {"escape", SpecialTokensInText::escape}},
                              "What \"<s>\" or \"[SEP]\" in a text become: special tokens, or characters [match]");
}

void add_text_rules(CLI::App& app, size_t& max_tokens, SpecialTokensInText& special, InvalidUtf8& invalid) {
  count(app, "--max-length", max_tokens, size_t{1} << 40, "Most tokens of a text [the model's limit]")
      ->type_name("TOKENS");
  add_special_tokens_rule(app, special);
  choice<InvalidUtf8>(app, "--invalid-utf8", invalid,
                      {{"error", InvalidUtf8::error}, {"replace", InvalidUtf8::replace}},
                      "Text that is not UTF-8: reject it, or put U+FFFD in its place [error]");
}

void add_vector_rules(CLI::App& app, EmbedOptions& embed) {
  add_text_rules(app, embed.max_tokens, embed.special_tokens_in_text, embed.invalid_utf8);
  choice<LongText>(app, "--long-text", embed.long_text,
                   {{"truncate", LongText::truncate}, {"windows", LongText::windows}},
                   "A text of more tokens: cut it off, or average overlapping windows [truncate]");
  choice<std::optional<Pooling>>(app, "--pooling", embed.pooling, {{"cls", Pooling::cls}, {"mean", Pooling::mean}},
                                 "How token vectors become one [the model's own]");
  count(app, "--truncate-dim", embed.truncate_dim, size_t{1} << 20, "Keep the first dimensions only [all]")
      ->type_name("N");
}

// "a,b" as "a" and "b".
std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    names.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

// "dense,sparse" as the outputs it names.
Outputs parse_outputs(const std::string& given) {
  Outputs outputs = {.dense = false};
  for (const std::string& name : split(given)) {
    if (name == "dense") {
      outputs.dense = true;
    } else if (name == "sparse") {
      outputs.sparse = true;
    } else if (name == "multi") {
      outputs.multi = true;
    } else {
      throw UsageError(
          fmt::format("--outputs: expected dense, sparse, multi or several of them with commas, found '{}'", given));
    }
  }
  return outputs;
}

// "1,0.3,1" as the weights of dense, sparse and multi.
HybridWeights parse_weights(const std::string& given) {
  HybridWeights weights;
  const char* at = given.data();
  const char* const end = at + given.size();
  bool good = true;
  for (double* weight : {&weights.dense, &weights.sparse, &weights.colbert}) {
    const auto [behind, error] = std::from_chars(at, end, *weight);
    const bool last = weight == &weights.colbert;
    good = good && error == std::errc() && *weight >= 0 && *weight <= 1e6 &&
           (last ? behind == end : behind != end && *behind == ',');
    if (!good) break;
    at = behind + 1;
  }
  if (!good || weights.dense + weights.sparse + weights.colbert <= 0) {
    throw UsageError(
        fmt::format("--weights: expected three numbers from 0 to 1000000, not all 0, for dense, sparse and multi, such "
                    "as 1,0.3,1, found '{}'",
                    given));
  }
  return weights;
}

void add_output(CLI::App& app, std::string& output, bool& overwrite, const char* description) {
  app.add_option("-o,--output", output, description)->type_name("FILE");
  app.add_flag("--overwrite", overwrite, "Replace the output if it is there");
}

void add_run(CLI::App& app, OnError& on_error, bool& quiet) {
  choice<OnError>(app, "--on-error", on_error, {{"fail", OnError::fail}, {"skip", OnError::skip}},
                  "At a bad record: end the run, or leave it out and exit with 3 [fail]");
  app.add_flag("-q,--quiet", quiet, "No progress and no totals; warnings and errors stay");
}

CLI::App* add_embed(CLI::App& program, EmbedArguments& args) {
  CLI::App* app = program.add_subcommand("embed", kEmbedHelp);
  app->add_option("FILE", args.input.files, "Texts; - or none: standard input")->type_name("");
  add_output(*app, args.output, args.overwrite,
             "FILE.npy ([texts, dimensions]), FILE.npz or FILE.jsonl [JSONL on standard output]");
  app->add_option_function<std::string>(
         "--outputs", [&args](const std::string& given) { args.embed.outputs = parse_outputs(given); },
         "What to compute: dense, sparse, multi, with commas between [dense]")
      ->type_name("LIST");
  choice<Precision>(*app, "--precision", args.precision,
                    {{"float32", Precision::float32},
                     {"float16", Precision::float16},
                     {"int8", Precision::int8},
                     {"ubinary", Precision::ubinary}},
                    "How dense and multi-vectors are written: in 32, 16, 8 or 1 bit a component [float32]");
  add_model(*app, args.open.model);
  add_pull_flag(*app, args.pull);
  add_input(*app, args.input);
  add_vector_rules(*app, args.embed);
  app->add_flag_callback(
      "--normalize", [&args] { args.embed.normalize = true; }, "Scale vectors to length one [the model's own]");
  app->add_flag_callback(
      "--no-normalize", [&args] { args.embed.normalize = false; }, "Leave their length as it is");
  app->add_option("--prompt", args.embed.prompt, "Put this in front of every text [the model's default prompt]")
      ->type_name("TEXT");
  app->add_option("--prompt-name", args.prompt_name, "The same, by its name in config_sentence_transformers.json")
      ->type_name("NAME");
  app->add_option_function<size_t>(
         "--chunk", [&args](size_t most) { args.chunking = chunking_up_to(most); },
         "Texts are whole documents: embed each in chunks of at most so many tokens")
      ->check(CLI::Range(size_t{1}, kMostChunkSize).description(""))
      ->type_name("TOKENS");
  app->add_flag("--late-chunking", args.late_chunking,
                "With --chunk: each chunk with its whole document, which must fit the model, as its context")
      ->needs("--chunk");
  add_machine(*app, args.open);
  add_run(*app, args.on_error, args.quiet);
  return app;
}

CLI::App* add_tokenize(CLI::App& program, TokenizeArguments& args) {
  CLI::App* app = program.add_subcommand("tokenize", kTokenizeHelp);
  args.model = OpenOptions().model;
  app->add_option("FILE", args.input.files, "Texts; - or none: standard input")->type_name("");
  add_output(*app, args.output, args.overwrite, "FILE.jsonl [standard output]");
  add_model(*app, args.model);
  add_input(*app, args.input);
  add_text_rules(*app, args.max_tokens, args.special_tokens_in_text, args.invalid_utf8);
  add_run(*app, args.on_error, args.quiet);
  return app;
}

CLI::App* add_chunk(CLI::App& program, ChunkArguments& args) {
  CLI::App* app = program.add_subcommand("chunk", kChunkHelp);
  args.input.plain = InputFormat::document;
  app->add_option("FILE", args.input.files, "Documents; - or none: standard input")->type_name("");
  add_output(*app, args.output, args.overwrite, "FILE.jsonl [standard output]");
  add_model(*app, args.config.model_name);
  choice<std::string>(
      *app, "--unit", args.config.unit, {{"tokens", "tokens"}, {"characters", "characters"}},
      "What sizes count: tokens of the model, those around every text included, or characters [tokens]");
  count(*app, "--max", args.config.max_chunk_size, kMostChunkSize, "Largest chunk")
      ->capture_default_str()
      ->type_name("SIZE");
  count(*app, "--target", args.config.target_chunk_size, kMostChunkSize,
        "What chunks of a long section come close to [25/32 of --max]")
      ->type_name("SIZE");
  count(*app, "--min", args.config.min_chunk_size, kMostChunkSize,
        "A smaller chunk is joined with a neighbour where both fit [25/256 of --max]", size_t{0})
      ->type_name("SIZE");
  count(*app, "--overlap", args.config.overlap, kMostChunkSize, "Most that a chunk repeats of the one before",
        size_t{0})
      ->capture_default_str()
      ->type_name("SIZE");
  add_input(*app, args.input);
  add_special_tokens_rule(*app, args.config.special_tokens_in_text);
  add_run(*app, args.on_error, args.quiet);
  return app;
}

CLI::App* add_info(CLI::App& program, InfoArguments& args) {
  CLI::App* app = program.add_subcommand("info", kInfoHelp);
  add_model(*app, args.open.model);
  app->add_flag("--json", args.json, "As one JSON object");
  add_machine(*app, args.open);
  return app;
}

CLI::App* add_search(CLI::App& program, SearchArguments& args) {
  CLI::App* app = program.add_subcommand("search", kSearchHelp);
  app->add_option("CORPUS", args.input.files, "Texts to rank; - or none: standard input")
      ->type_name("")
      ->expected(0, 1);
  app->add_option("--query", args.queries, "What to look for; may be given several times")
      ->required()
      ->allow_extra_args(false)
      ->type_name("TEXT");
  count(*app, "--top", args.top, size_t{1} << 20, "Results for each query")->capture_default_str()->type_name("N");
  app->add_option("--embeddings", args.embeddings,
                  "What `bgem3 embed CORPUS -o FILE` wrote: .npy, .npz or .jsonl [computed]")
      ->type_name("FILE");
  choice<SearchMode>(*app, "--mode", args.rule.mode,
                     {{"dense", SearchMode::dense},
                      {"sparse", SearchMode::sparse},
                      {"multi", SearchMode::multi},
                      {"hybrid", SearchMode::hybrid}},
                     "What texts are ranked by: cosine, lexical matching, MaxSim, or the mean of all three [dense]");
  app->add_option_function<std::string>(
         "--weights", [&args](const std::string& given) { args.rule.weights = parse_weights(given); },
         "--mode hybrid: the weights of dense, sparse and multi; what has 0 is not needed [1,1,1]")
      ->type_name("D,S,M");
  app->add_option("--query-prompt", args.query_prompt, "Put this in front of every query")->type_name("TEXT");
  app->add_option("--passage-prompt", args.passage_prompt, "Put this in front of every text of the corpus")
      ->type_name("TEXT");
  app->add_flag("--json", args.json, "JSON lines: query, rank, score, row, id, text");
  add_model(*app, args.open.model);
  add_pull_flag(*app, args.pull);
  add_input(*app, args.input);
  add_vector_rules(*app, args.embed);
  add_machine(*app, args.open);
  add_run(*app, args.on_error, args.quiet);
  return app;
}

CLI::App* add_pull(CLI::App& program, PullArguments& args) {
  CLI::App* app = program.add_subcommand("pull", kPullHelp);
  args.model = OpenOptions().model;
  app->add_option("MODEL", args.model, "ORGANISATION/NAME[@REVISION]: a branch, a tag or a commit")
      ->capture_default_str()
      ->type_name("");
  app->add_flag("--latest", args.latest, "Revision main, instead of the one that bgem3 is tested with");
  app->add_flag("--check", args.check,
                "Only tell whether main is newer than what is here, what changed, what it costs");
  app->add_flag("--json", args.json, "What was done or found, as one JSON object");
  app->add_flag("-q,--quiet", args.quiet, "No progress and no totals; warnings and errors stay");
  return app;
}

CLI::App* add_history(CLI::App& program, HistoryArguments& args) {
  CLI::App* app = program.add_subcommand("history", kHistoryHelp);
  app->add_option("FILE", args.file, "The file of EmbeddingConfig's history_path")->required()->type_name("");
  count(*app, "--last", args.last, size_t{1} << 40, "Only the newest calls [all]")->type_name("N");
  app->add_flag("--json", args.json, "As one JSON object");
  app->add_option("--plot", args.plot, "Draw speed, quality and memory over the calls")->type_name("FILE.svg");
  return app;
}

CLI::App* add_verify(CLI::App& program, VerifyArguments& args) {
  CLI::App* app = program.add_subcommand("verify", kVerifyHelp);
  app->add_option("MODEL,--model", args.open.model,
                  "A folder, or ORGANISATION/NAME[@REVISION] in the Hugging Face cache")
      ->capture_default_str()
      ->type_name("");
  app->add_option_function<std::string>(
         "--dtype", [&args](const std::string& given) { args.dtypes = split(given); },
         "Precisions to compute in: f32, bf16, int8, with commas between [f32; --against: those of the file]")
      ->type_name("LIST");
  app->add_flag("--published", args.published,
                "The model is BAAI/bge-m3 as published, wherever its files lie: compare them with the published ones");
  app->add_option("--record", args.record, "Write a fingerprint, if every check passes; replaces the file")
      ->type_name("FILE");
  app->add_option("--against", args.against, "Compare with a fingerprint: the same bits, or by how much not")
      ->type_name("FILE");
  app->add_flag("--json", args.json, "As one JSON object, every check in it");
  app->add_flag("--verbose", args.verbose, "Show every check, not only those that failed");
  app->add_flag("-q,--quiet", args.quiet, "No progress");
  add_resources(*app, args.open);
  app->footer(kVerifyFooter);
  return app;
}

void add_cache(CLI::App& program, CacheListArguments& list, CacheCleanArguments& clean) {
  CLI::App* app = program.add_subcommand("cache", kCacheHelp);
  app->require_subcommand(1);
  CLI::App* list_app = app->add_subcommand("list", kCacheListHelp);
  CLI::App* clean_app = app->add_subcommand("clean", kCacheCleanHelp);
  clean_app->add_flag("--all", clean.clean.all, "Also what is in use by this version: the next start packs anew");
  clean_app->add_flag("--dry-run", clean.clean.dry_run, "Show what would be deleted");
  for (const auto& [command, options, json] :
       {std::tuple(list_app, &list.cache, &list.json), std::tuple(clean_app, &clean.clean.cache, &clean.json)}) {
    command->add_flag("--check", options->every_byte, "Read packed weights whole and compare their checksums");
    command->add_flag("--json", *json, "As one JSON object");
    add_cache_dir(*command, options->cache_dir);
  }
}

CLI::App* add_completion(CLI::App& program, Shell& shell) {
  CLI::App* app = program.add_subcommand("completion", kCompletionHelp);
  choice<Shell>(*app, "SHELL", shell, {{"bash", Shell::bash}, {"zsh", Shell::zsh}, {"fish", Shell::fish}},
                "The shell to complete commands and options in");
  app->get_option("SHELL")->required();
  return app;
}

void check_command(const CLI::App& program, const std::string& name) {
  std::string names;
  for (const CLI::App* command : program.get_subcommands({})) {
    if (command->get_name() == name) return;
    names += (names.empty() ? "" : ", ") + command->get_name();
  }
  throw UsageError(fmt::format("unknown command '{}'; expected one of {}", name, names));
}

void exclusive(const CLI::App& app, const char* one, const char* other) {
  if (app.count(one) > 0 && app.count(other) > 0) {
    throw UsageError(fmt::format("{} and {} exclude each other", one, other));
  }
}

// Refuses an option that would change nothing.
void only_for(const CLI::App& app, const char* option, bool asked, const char* outputs, const char* by = "--outputs") {
  if (asked || app.count(option) == 0) return;
  throw UsageError(fmt::format("{} is for {} output, which {} does not ask for", option, outputs, by));
}

// CLI11's messages may have several lines.
std::string one_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

}  // namespace

Arguments parse_arguments(int argc, const char* const* argv, bool stdin_is_terminal) {
  CLI::App program(kProgramHelp, "bgem3");
  program.formatter(std::make_shared<HelpFormatter>());
  program.footer(kProgramFooter);
  program.require_subcommand(1);
  program.set_version_flag("--version", "bgem3 " BGEM3_VERSION);

  EmbedArguments embed;
  TokenizeArguments tokenize;
  ChunkArguments chunk;
  InfoArguments info;
  SearchArguments search;
  PullArguments pull;
  HistoryArguments history;
  VerifyArguments verify;
  CacheListArguments cache_list;
  CacheCleanArguments cache_clean;
  Shell shell = Shell::bash;
  const CLI::App* embed_app = add_embed(program, embed);
  const CLI::App* tokenize_app = add_tokenize(program, tokenize);
  const CLI::App* chunk_app = add_chunk(program, chunk);
  add_info(program, info);
  const CLI::App* search_app = add_search(program, search);
  const CLI::App* pull_app = add_pull(program, pull);
  const CLI::App* history_app = add_history(program, history);
  const CLI::App* verify_app = add_verify(program, verify);
  add_cache(program, cache_list, cache_clean);
  const CLI::App* completion_app = add_completion(program, shell);
  const CLI::App* manual_app = program.add_subcommand("manual", kManualHelp);

  if (argc > 1 && argv[1][0] != '-') check_command(program, argv[1]);
  if (argc <= 1 && stdin_is_terminal) return ShowText{program.help()};
  try {
    program.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return ShowText{program.help()};
  } catch (const CLI::CallForVersion&) {
    return ShowText{"bgem3 " BGEM3_VERSION "\n"};
  } catch (const CLI::ParseError& error) {
    throw UsageError(fmt::format("{} (see bgem3 --help)", one_line(error.what())));
  }

  const auto would_wait = [&](const InputOptions& input) { return input.files.empty() && stdin_is_terminal; };
  if (embed_app->parsed()) {
    exclusive(*embed_app, "--normalize", "--no-normalize");
    exclusive(*embed_app, "--prompt", "--prompt-name");
    const Outputs& outputs = embed.embed.outputs;
    only_for(*embed_app, "--pooling", outputs.dense, "dense");
    for (const char* option : {"--truncate-dim", "--normalize", "--no-normalize"}) {
      only_for(*embed_app, option, outputs.dense || outputs.multi, "dense or multi");
    }
    only_for(*embed_app, "--precision", outputs.dense || outputs.multi, "dense or multi");
    embed.prompt_given = embed_app->count("--prompt") > 0;
    if (embed.chunking) {
      embed.input.plain = InputFormat::document;
      if (embed.embed.invalid_utf8 == InvalidUtf8::replace) {
        throw UsageError(
            "--chunk and --invalid-utf8 replace exclude each other: chunks are places in the text as it is");
      }
    }
    if (would_wait(embed.input)) return ShowText{program.help()};
    return embed;
  }
  if (tokenize_app->parsed()) {
    if (would_wait(tokenize.input)) return ShowText{program.help()};
    return tokenize;
  }
  if (chunk_app->parsed()) {
    const ChunkingConfig scaled = chunking_up_to(chunk.config.max_chunk_size);
    if (chunk_app->count("--target") == 0) chunk.config.target_chunk_size = scaled.target_chunk_size;
    if (chunk_app->count("--min") == 0) chunk.config.min_chunk_size = scaled.min_chunk_size;
    chunk.count_tokens = chunk.config.unit == "tokens" || chunk_app->count("--model") > 0;
    if (would_wait(chunk.input)) return ShowText{program.help()};
    return chunk;
  }
  if (search_app->parsed()) {
    if (search.rule.mode != SearchMode::hybrid && search_app->count("--weights") > 0) {
      throw UsageError("--weights is for --mode hybrid");
    }
    const Outputs outputs = search.rule.outputs();
    only_for(*search_app, "--pooling", outputs.dense, "dense", "--mode");
    only_for(*search_app, "--truncate-dim", outputs.dense || outputs.multi, "dense or multi", "--mode");
    if (would_wait(search.input)) return ShowText{program.help()};
    return search;
  }
  if (pull_app->parsed()) {
    exclusive(*pull_app, "--check", "--latest");
    return pull;
  }
  if (history_app->parsed()) {
    exclusive(*history_app, "--json", "--plot");
    return history;
  }
  if (verify_app->parsed()) {
    exclusive(*verify_app, "--record", "--against");
    if (verify.record == "-") throw UsageError("--record: expected a file; the report goes to standard output");
    return verify;
  }
  if (program.got_subcommand("cache")) {
    if (program.get_subcommand("cache")->got_subcommand("list")) return cache_list;
    return cache_clean;
  }
  if (completion_app->parsed()) return ShowText{write_completion(describe(program), shell)};
  if (manual_app->parsed()) return ShowText{write_manual(describe(program))};
  return info;
}

}  // namespace bgem3::cli
