// bgem3 embed: checks everything that can be checked without the model, opens the model, streams.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <optional>

#include "bgem3/chunker.h"
#include "bgem3/embedder.h"
#include "chunk_source.h"
#include "commands.h"
#include "embed_stream.h"
#include "failure.h"

namespace bgem3::cli {

namespace {

// The text of a named prompt; without a name, of the one the model itself asks for, if it does.
std::string find_prompt(const ModelInfo& info, const std::string& asked) {
  const std::string& name = asked.empty() ? info.default_prompt : asked;
  if (name.empty()) return "";
  const auto found = info.prompts.find(name);
  if (found != info.prompts.end()) return found->second;
  std::string names;
  for (const auto& [known, prompt] : info.prompts) names += (names.empty() ? "" : ", ") + known;
  throw UsageError(
      fmt::format("--prompt-name: {} has no prompt '{}'; it has {}", info.name, name, names.empty() ? "none" : names));
}

[[noreturn]] void throw_interrupted(int signal, OutputKind kind, const StreamCounts& counts,
                                    const std::string& output) {
  const char* name = signal == SIGTERM ? "SIGTERM" : "SIGINT";
  if (appears_whole(kind)) {
    throw Interrupted(signal, fmt::format("{} after {} rows; {} was not written", name, counts.next_row, output));
  }
  throw Interrupted(signal,
                    fmt::format("{}; the records before row {} are written, go on from there", name, counts.next_row));
}

// How documents are chunked: by the model's own tokenizer, with what will stand around and in front of every chunk.
TextChunker make_chunker(const Embedder& embedder, const EmbedArguments& arguments, const EmbedOptions& options) {
  const size_t limit = options.max_tokens > 0 ? options.max_tokens : embedder.info().config.max_tokens;
  if (arguments.chunking->max_chunk_size > limit) {
    throw UsageError(fmt::format("--chunk: expected at most the {} tokens that are embedded of a text, found {}", limit,
                                 arguments.chunking->max_chunk_size));
  }
  ChunkingConfig config = *arguments.chunking;
  config.prompt = options.prompt;
  config.special_tokens_in_text = options.special_tokens_in_text;
  const std::shared_ptr<const void> owned_by_embedder;
  return TextChunker(config, {owned_by_embedder, &embedder.tokenizer()});
}

}  // namespace

int run_embed(const EmbedArguments& arguments, Signals& signals) {
  const OutputKind kind = check_output(arguments.output, arguments.overwrite, arguments.input.files);
  if (kind == OutputKind::npy && arguments.embed.outputs != Outputs()) {
    throw UsageError(fmt::format(
        "--outputs: output {} can hold the dense vectors only; name an .npz or .jsonl, or ask for dense alone",
        arguments.output));
  }
  if (arguments.precision == Precision::ubinary && arguments.embed.outputs.dense && appears_whole(kind) &&
      arguments.on_error == OnError::skip) {
    throw UsageError(fmt::format(
        "--precision ubinary: a row of {} cannot say that its record was rejected; name a .jsonl, or leave out "
        "--on-error skip",
        arguments.output));
  }
  Rejections rejections(arguments.on_error, arguments.output, arguments.overwrite, arguments.input.files);
  if (arguments.chunking && appears_whole(kind)) {
    check_output(chunks_path(arguments.output), arguments.overwrite, arguments.input.files);
  }
  TextReader reader(arguments.input, signals.fd());

  offer_pull(arguments.open.model, arguments.pull, arguments.quiet, signals);
  const Embedder embedder = Embedder::open(arguments.open);
  EmbedOptions options = arguments.embed;
  if (!arguments.prompt_given) options.prompt = find_prompt(embedder.info(), arguments.prompt_name);
  // Options that fit no text are refused here, before the output is touched.
  const size_t dimensions = arguments.late_chunking
                                ? embedder.embed_spans("", {}, options).dimensions()
                                : embedder.embed(std::span<const std::string_view>(), options).dimensions();

  check_precision(arguments.precision, dimensions, options.normalize.value_or(embedder.info().config.normalize));

  std::optional<TextChunker> chunker;
  std::optional<ChunkSource> chunks;
  if (arguments.chunking) {
    chunker.emplace(make_chunker(embedder, arguments, options));
    chunks.emplace(reader, *chunker);
  }

  const bool shares_terminal = kind == OutputKind::standard && isatty(STDOUT_FILENO) == 1;
  Progress progress(arguments.quiet, can_draw() && !shares_terminal);
  signals.hold();
  report_engine(embedder.info(), arguments.quiet, progress);
  const auto sink = make_sink(kind, arguments.output,
                              {.outputs = options.outputs,
                               .dimensions = dimensions,
                               .precision = arguments.precision,
                               .vocabulary = embedder.info().config.vocab,
                               .chunks = chunks.has_value()});
  RecordSource& source = chunks ? static_cast<RecordSource&>(*chunks) : reader;
  const StreamCounts counts =
      embed_stream(source, embedder, options, rejections, *sink, progress, signals, arguments.late_chunking);
  if (counts.stopped && appears_whole(kind)) {
    rejections.discard();
  } else {
    sink->finish();
    rejections.finish();
  }
  if (chunks) report_documents(*chunks, progress);
  report_counts(counts, rejections, arguments.quiet, progress);
  if (sink->clipped() > 0) {
    progress.message(
        fmt::format("warning: {} outside the range of int8 became its end", plural(sink->clipped(), "component")));
  }
  if (counts.stopped) throw_interrupted(signals.received(), kind, counts, arguments.output);
  return rejections.count() > 0 ? kExitRejected : kExitOk;
}

}  // namespace bgem3::cli
