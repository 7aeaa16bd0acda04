// bgem3 search: every text of the corpus is scored once against all queries, as it streams by; only the best are kept.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "bgem3/embedder.h"
#include "commands.h"
#include "embed_stream.h"
#include "failure.h"
#include "json_writer.h"
#include "npy.h"
#include "top_list.h"
#include "unicode.h"

namespace bgem3::cli {

namespace {

constexpr size_t kShownCharacters = 200;  // of a text, for people; --json has all of it

// The queries with their vectors and their best texts so far.
class Ranking : public VectorSink {
 public:
  Ranking(const EmbedResult& queries, size_t top) : queries_(queries), lists_(queries.texts(), TopList(top)) {}

  void add(const Record& record, std::span<const float> vector) {
    for (size_t q = 0; q < lists_.size(); ++q) {
      const double score = cosine(queries_[q].dense, vector);
      if (lists_[q].wants(score, record.row)) lists_[q].add({score, record.row, record.id, record.text});
    }
  }
  void accept(const Record& record, const Embedding& embedding) override { add(record, embedding.dense); }
  void reject(const Record&) override {}

  std::vector<Hit> take(size_t query) { return lists_[query].take(); }

 private:
  const EmbedResult& queries_;
  std::vector<TopList> lists_;
};

EmbedResult embed_queries(const Embedder& embedder, const SearchArguments& arguments) {
  EmbedOptions options = arguments.embed;
  options.prompt = arguments.query_prompt;
  EmbedResult result = embedder.embed(arguments.queries, options);
  for (size_t q = 0; q < result.texts(); ++q) {
    if (result[q].error) throw InputError(fmt::format("query {}: {}", q + 1, result[q].error_message));
  }
  return result;
}

// Pairs the texts of the corpus with the rows of the file. A row with NaN is a text that `embed` rejected.
void rank_stored(TextReader& reader, NpyReader& vectors, const std::string& name, Rejections& rejections,
                 Progress& progress, const Signals& signals, Ranking& ranking) {
  std::vector<float> row(vectors.columns());
  Record record;
  size_t texts = 0;
  while (true) {
    const ReadResult result = signals.received() != 0 ? ReadResult::stopped : reader.next(record);
    if (result == ReadResult::stopped) throw Interrupted(signals.received(), "nothing was printed");
    if (result == ReadResult::end) break;
    ++texts;
    if (!vectors.read_row(row)) continue;  // count the texts for the message
    const bool finite = std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); });
    if (record.reason.empty() && !finite) record.reason = fmt::format("its row in {} is not finite", name);
    if (record.reason.empty()) {
      ranking.add(record, row);
    } else {
      rejections.add(record, record.reason, progress);
    }
  }
  if (texts != vectors.rows()) {
    throw InputError(fmt::format("{} has {} rows, the corpus has {} texts; make it again with bgem3 embed", name,
                                 vectors.rows(), texts));
  }
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
  std::optional<NpyReader> vectors;
  if (!arguments.embeddings.empty()) vectors.emplace(arguments.embeddings);
  Rejections rejections(arguments.on_error, "", false, arguments.input.files);

  const Embedder embedder = Embedder::open(arguments.open);
  const EmbedResult queries = embed_queries(embedder, arguments);
  if (vectors && vectors->columns() != queries.dimensions()) {
    throw UsageError(
        fmt::format("{} has vectors of {} dimensions, {} makes {}; pass the model and --truncate-dim it was made with",
                    arguments.embeddings, vectors->columns(), embedder.info().name, queries.dimensions()));
  }

  signals.hold();
  Progress progress(arguments.quiet, can_draw());
  report_engine(embedder.info(), arguments.quiet, progress);
  Ranking ranking(queries, arguments.top);
  if (vectors) {
    rank_stored(reader, *vectors, arguments.embeddings, rejections, progress, signals, ranking);
  } else {
    EmbedOptions options = arguments.embed;
    options.prompt = arguments.passage_prompt;
    const StreamCounts counts = embed_stream(reader, embedder, options, rejections, ranking, progress, signals);
    report_counts(counts, rejections, arguments.quiet, progress);
    if (counts.stopped) throw Interrupted(signals.received(), "nothing was printed");
  }

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
