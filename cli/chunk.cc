// bgem3 chunk: needs the tokenizer of a model, not its weights; in characters, no model at all.
#include <fmt/format.h>

#include <csignal>

#include "bgem3/chunker.h"
#include "bgem3/embedder.h"
#include "chunk_source.h"
#include "commands.h"
#include "failure.h"
#include "line_stream.h"
#include "output.h"
#include "progress.h"

namespace bgem3::cli {

int run_chunk(const ChunkArguments& arguments, Signals& signals) {
  const OutputKind kind = check_output(arguments.output, arguments.overwrite, arguments.input.files);
  if (appears_whole(kind)) throw UsageError("chunk writes JSONL; choose an output that ends in .jsonl");
  Rejections rejections(arguments.on_error, arguments.output, arguments.overwrite, arguments.input.files);
  TextReader reader(arguments.input, signals.fd());

  std::shared_ptr<const Tokenizer> tokenizer;
  if (arguments.count_tokens)
    tokenizer = std::make_shared<const Tokenizer>(open_tokenizer(arguments.config.model_name));
  const TextChunker chunker(arguments.config, tokenizer);
  ChunkSource chunks(reader, chunker);

  signals.hold();
  Progress progress(arguments.quiet, false);
  OutputFile out = kind == OutputKind::standard ? OutputFile::standard() : OutputFile::create(arguments.output);
  const LinesWritten written = write_lines(
      chunks, [](std::string& line, const Record& record) { append_chunk_line(line, record); }, std::move(out),
      rejections, progress, signals);
  report_documents(chunks, progress);
  if (rejections.count() > 0)
    progress.message(fmt::format("warning: {} rejected", plural(rejections.count(), "document")));
  if (!arguments.quiet) {
    progress.message(fmt::format("{} of {}", plural(written.count, "chunk"), plural(chunks.documents(), "document")));
  }
  if (written.interrupted) throw Interrupted(signals.received(), "all complete chunks are written");
  return rejections.count() > 0 ? kExitRejected : kExitOk;
}

}  // namespace bgem3::cli
