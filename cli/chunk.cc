// bgem3 chunk: needs the tokenizer of a model, not its weights; in characters, no model at all.
#include <fmt/format.h>

#include <csignal>

#include "bgem3/chunker.h"
#include "bgem3/embedder.h"
#include "chunk_source.h"
#include "commands.h"
#include "failure.h"
#include "output.h"
#include "progress.h"

namespace bgem3::cli {

int run_chunk(const ChunkArguments& arguments, Signals& signals) {
  const OutputKind kind = check_output(arguments.output, arguments.overwrite, arguments.input.files);
  if (kind == OutputKind::npy) throw UsageError("chunk writes JSONL; choose an output that ends in .jsonl");
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
  size_t count = 0;
  std::string line;
  Record record;
  ReadResult state = ReadResult::idle;
  while (true) {
    if (state == ReadResult::idle) out.flush();  // nothing more for now: show what there is
    const bool must_wait = state == ReadResult::idle;
    state = signals.received() != 0 ? ReadResult::stopped : chunks.next(record, must_wait);
    if (state == ReadResult::stopped || state == ReadResult::end) break;
    if (state == ReadResult::idle) continue;
    if (!record.reason.empty()) {
      if (rejections.fails_at_first()) out.flush();
      rejections.add(record, record.reason, progress);
      continue;
    }
    line.clear();
    append_chunk_line(line, record);
    out.write(line);
    ++count;
  }
  out.finish();
  rejections.finish();
  report_documents(chunks, progress);
  if (rejections.count() > 0)
    progress.message(fmt::format("warning: {} rejected", plural(rejections.count(), "document")));
  if (!arguments.quiet) {
    progress.message(fmt::format("{} of {}", plural(count, "chunk"), plural(chunks.documents(), "document")));
  }
  if (state == ReadResult::stopped) throw Interrupted(signals.received(), "all complete chunks are written");
  return rejections.count() > 0 ? kExitRejected : kExitOk;
}

}  // namespace bgem3::cli
