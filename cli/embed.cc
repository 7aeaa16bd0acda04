// bgem3 embed: checks everything that can be checked without the model, opens the model, streams.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "bgem3/embedder.h"
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
  if (kind == OutputKind::npy) {
    throw Interrupted(signal, fmt::format("{} after {} rows; {} was not written", name, counts.next_row, output));
  }
  throw Interrupted(signal,
                    fmt::format("{}; the records before row {} are written, go on from there", name, counts.next_row));
}

}  // namespace

int run_embed(const EmbedArguments& arguments, Signals& signals) {
  const OutputKind kind = check_output(arguments.output, arguments.overwrite, arguments.input.files);
  Rejections rejections(arguments.on_error, arguments.output, arguments.overwrite, arguments.input.files);
  TextReader reader(arguments.input, signals.fd());

  const Embedder embedder = Embedder::open(arguments.open);
  EmbedOptions options = arguments.embed;
  if (!arguments.prompt_given) options.prompt = find_prompt(embedder.info(), arguments.prompt_name);
  // Options that fit no text are refused here, before the output is touched.
  const size_t columns = embedder.embed(std::span<const std::string_view>(), options).dimensions();

  const bool shares_terminal = kind == OutputKind::standard && isatty(STDOUT_FILENO) == 1;
  Progress progress(arguments.quiet, can_draw() && !shares_terminal);
  signals.hold();
  report_engine(embedder.info(), arguments.quiet, progress);
  const auto sink = make_sink(kind, arguments.output, columns);
  const StreamCounts counts = embed_stream(reader, embedder, options, rejections, *sink, progress, signals);
  if (counts.stopped && kind == OutputKind::npy) {
    rejections.discard();
  } else {
    sink->finish();
    rejections.finish();
  }
  report_counts(counts, rejections, arguments.quiet, progress);
  if (counts.stopped) throw_interrupted(signals.received(), kind, counts, arguments.output);
  return rejections.count() > 0 ? kExitRejected : kExitOk;
}

}  // namespace bgem3::cli
