// bgem3 search: every text of the corpus streams by once, with outputs computed or read from a file.
#include <fmt/format.h>
#include <unistd.h>

#include <iterator>
#include <memory>
#include <vector>

#include "bgem3/embedder.h"
#include "commands.h"
#include "embed_stream.h"
#include "failure.h"
#include "json_writer.h"
#include "ranking.h"
#include "stored_outputs.h"
#include "unicode.h"

namespace bgem3::cli {

namespace {

constexpr size_t kShownCharacters = 200;  // of a text, for people; --json has all of it

EmbedResult embed_queries(const Embedder& embedder, const SearchArguments& arguments) {
  EmbedOptions options = arguments.embed;
  options.prompt = arguments.query_prompt;
  options.outputs = arguments.rule.outputs();
  EmbedResult result = embedder.embed(arguments.queries, options);
  for (size_t q = 0; q < result.texts(); ++q) {
    if (result[q].error) throw InputError(fmt::format("query {}: {}", q + 1, result[q].error_message));
  }
  return result;
}

// Pairs the texts of the corpus with what the file has of them.
void rank_stored(TextReader& reader, StoredOutputs& stored, Rejections& rejections, Progress& progress,
                 const Signals& signals, Ranking& ranking) {
  Record record;
  Embedding outputs;
  while (true) {
    const ReadResult result = signals.received() != 0 ? ReadResult::stopped : reader.next(record);
    if (result == ReadResult::stopped) throw Interrupted(signals.received(), "nothing was printed");
    if (result == ReadResult::end) break;
    std::string reason = stored.next(record, outputs);
    if (!record.reason.empty()) reason = record.reason;
    if (reason.empty()) {
      ranking.accept(record, outputs);
    } else {
      rejections.add(record, reason, progress);
    }
  }
  stored.finish();
}

void append_json(std::string& out, const std::string& query, size_t rank, const Hit& hit) {
  JsonWriter json(out);
  json.begin_object().key("query").value(query).key("rank").value(rank).key("score").value(hit.score);
  json.key("row").value(hit.row).key("id").json(hit.id).key("text").value(hit.text).end_object();
  out += '\n';
}

void append_text(std::string& out, size_t rank, const Hit& hit) {
  fmt::format_to(std::back_inserter(out), "{:>4}  {:>7.4f}  {}  {}\n", rank, hit.score, printable(hit.id),
                 printable(hit.text, kShownCharacters));
}

}  // namespace

int run_search(const SearchArguments& arguments, Signals& signals) {
  TextReader reader(arguments.input, signals.fd());
  std::unique_ptr<StoredOutputs> stored;
  if (!arguments.embeddings.empty()) stored = open_stored_outputs(arguments.embeddings, arguments.rule.outputs());
  Rejections rejections(arguments.on_error, "", false, arguments.input.files);

  offer_pull(arguments.open.model, arguments.pull, arguments.quiet, signals);
  const Embedder embedder = Embedder::open(arguments.open);
  const EmbedResult queries = embed_queries(embedder, arguments);
  if (stored) stored->check_model(embedder.info(), queries.dimensions());

  signals.hold();
  Progress progress(arguments.quiet, can_draw());
  report_engine(embedder.info(), arguments.quiet, progress);
  Ranking ranking(queries, arguments.rule, arguments.top,
                  {.threads = arguments.open.threads, .isa = arguments.open.isa});
  if (stored) {
    rank_stored(reader, *stored, rejections, progress, signals, ranking);
  } else {
    EmbedOptions options = arguments.embed;
    options.prompt = arguments.passage_prompt;
    options.outputs = arguments.rule.outputs();
    const StreamCounts counts = embed_stream(reader, embedder, options, rejections, ranking, progress, signals);
    report_counts(counts, rejections, arguments.quiet, progress);
    if (counts.stopped) throw Interrupted(signals.received(), "nothing was printed");
  }
  ranking.finish();

  OutputFile out = OutputFile::standard();
  for (size_t q = 0; q < arguments.queries.size(); ++q) {
    std::string block;
    if (!arguments.json && arguments.queries.size() > 1)
      block = (q > 0 ? "\n" : "") + printable(arguments.queries[q]) + "\n";
    size_t rank = 0;
    for (const Hit& hit : ranking.take(q)) {
      ++rank;
      arguments.json ? append_json(block, arguments.queries[q], rank, hit) : append_text(block, rank, hit);
    }
    out.write(block);
  }
  out.finish();
  return rejections.count() > 0 ? kExitRejected : kExitOk;
}

}  // namespace bgem3::cli
