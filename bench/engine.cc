#include "engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string_view>

#include "bgem3/embedder.h"

namespace bgem3::bench {
namespace {

constexpr int kQueries = 100;

struct Workload {
  std::string_view file, name;
};
// Those of one thread too show how a second one helps.
constexpr Workload kQuery = {"1x9", "1 x 9"};
constexpr Workload kScaling = {"4x128", "4 x 128"};
constexpr Workload kThroughput[] = {
    {"16x128", "16 x 128"}, {"8x512", "8 x 512"}, {"2x2048", "2 x 2048"}, {"mixed", "mixed"}};
constexpr Workload kLong = {"1x8192", "1 x 8192"};

struct Engine {
  std::string dtype;
  int threads;
  Embedder embedder;
};

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  if (lines.empty()) throw std::runtime_error(path + ": no text");
  return lines;
}

double embed(const Embedder& embedder, const std::vector<std::string>& texts) {
  size_t tokens = 0;
  for (const Embedding& embedding : embedder.embed(texts)) {
    if (embedding.error) throw std::runtime_error(embedding.error_message);
    tokens += embedding.tokens;
  }
  return static_cast<double>(tokens);
}

// What names a row of a workload, and the work of every layer in full: weights of the matrix products, their
// operations, those of attention, and the tokens it is all for.
std::string facts(std::string_view group, const Engine& engine, const Workload& workload,
                  const std::vector<std::string>& texts) {
  const ModelConfig& config = engine.embedder.info().config;
  const double hidden = static_cast<double>(config.hidden), ffn = static_cast<double>(config.ffn);
  const double layers = static_cast<double>(config.layers);
  const double weights = layers * (4 * hidden * hidden + 2 * hidden * ffn);
  double tokens = 0, pairs = 0;
  for (const std::string& text : texts) {
    const double length = static_cast<double>(engine.embedder.tokenizer().encode(text).ids.size());
    tokens += length;
    pairs += length * length;
  }
  return fmt::format(
      R"("group": "{}", "dtype": "{}", "workload": "{}", "threads": {}, "tokens": {:.0f}, "weights": {:.0f}, )"
      R"("operations": {:.0f}, "attention_operations": {:.0f})",
      group, engine.dtype, workload.name, engine.threads, tokens, weights, 2 * weights * tokens,
      4 * hidden * layers * pairs);
}

Contender throughput(const Engine& engine, const Workload& workload, const std::string& folder) {
  const auto texts = read_lines(fmt::format("{}/{}.txt", folder, workload.file));
  return {facts("encoder", engine, workload, texts), "token/s",
          [&engine, texts] { return embed(engine.embedder, texts); }};
}

// Seconds of single queries, every engine in turn.
void bench_latency(const std::vector<std::unique_ptr<Engine>>& engines, const std::string& folder) {
  const auto query = read_lines(fmt::format("{}/{}.txt", folder, kQuery.file));
  std::vector<std::vector<double>> seconds(engines.size());
  for (int i = 0; i < kQueries; i++) {
    for (size_t j = 0; j < engines.size(); j++) {
      const double start = now_seconds();
      embed(engines[j]->embedder, query);
      seconds[j].push_back(now_seconds() - start);
    }
  }
  for (size_t j = 0; j < engines.size(); j++) {
    std::vector<double>& sorted = seconds[j];
    std::sort(sorted.begin(), sorted.end());
    for (const int percent : {50, 99}) {
      const double value = sorted[sorted.size() * static_cast<size_t>(percent) / 100];
      print_row(facts("latency", *engines[j], kQuery, query) + fmt::format(R"(, "quantile": "p{}")", percent), "s",
                value, 1 - sorted.front() / value, sorted.size());
    }
  }
}

}  // namespace

void bench_engine(const EngineOptions& options, std::span<Contender* const> peaks, int rounds) {
  std::vector<std::unique_ptr<Engine>> engines;
  for (const std::string dtype : {"f32", "bf16", "int8"}) {
    for (int threads : {options.threads, 1}) {
      if (threads == 1 && threads == options.threads && !engines.empty() && engines.back()->dtype == dtype) continue;
      OpenOptions open;
      open.model = options.model;
      open.dtype = dtype;
      open.isa = options.isa;
      open.threads = threads;
      engines.push_back(std::make_unique<Engine>(Engine{dtype, threads, Embedder::open(open)}));
    }
  }
  std::vector<Contender> contenders;
  for (const auto& engine : engines) {
    contenders.push_back(throughput(*engine, kScaling, options.workload));
    if (engine->threads != options.threads) continue;
    for (const Workload& workload : kThroughput) contenders.push_back(throughput(*engine, workload, options.workload));
    if (engine->dtype != "f32" || options.long_texts)
      contenders.push_back(throughput(*engine, kLong, options.workload));
    else
      print_gap("encoder, f32, 1 x 8192: a minute, only with --long");
  }
  bench_latency(engines, options.workload);
  std::vector<Contender*> all(peaks.begin(), peaks.end());
  for (Contender& contender : contenders) all.push_back(&contender);
  measure(all, rounds);
  for (const Contender& contender : contenders) print_row(contender);
}

}  // namespace bgem3::bench
