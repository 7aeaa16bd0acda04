// Products, attention and the whole encoder at bge-m3's size, f32, as shares of the machine's peak in the same run.
//   make bench, or: build/bench/bin/f32_bench --threads=2 --repetitions=7
// Contenders take turns, round by round, and the best round of each counts: a shared machine is slow for seconds at a
// time. The spread column is (median - best) / best.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "encoder/encoder.h"
#include "encoder/random_model.h"
#include "peak.h"

namespace bgem3::bench {
namespace {

struct Contender {
  std::string name;
  std::function<double()> run;     // answers the operations done
  std::vector<double> rates = {};  // operations a second, one for each round
  double tokens = 0;               // of one run, where that makes sense
  double operations = 0;

  double best() const { return *std::max_element(rates.begin(), rates.end()); }
  double spread() const {
    std::vector<double> sorted = rates;
    std::sort(sorted.begin(), sorted.end());
    return best() / sorted[sorted.size() / 2] - 1;
  }
};

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

ModelConfig bge_m3_config() {
  ModelConfig config = tiny_config("xlm-roberta", 1024, 16, 4096, 24);
  config.vocab = 1000;  // rows of the table do not matter to speed
  config.position_rows = 8194;
  config.max_tokens = 8192;
  return config;
}

double encoder_operations(const ModelConfig& config, const Batch& batch) {
  const double hidden = static_cast<double>(config.hidden), ffn = static_cast<double>(config.ffn);
  double sum = 0;
  for (size_t i = 0; i < batch.texts(); i++) {
    const double tokens = static_cast<double>(batch.starts[i + 1] - batch.starts[i]);
    sum += tokens * (8 * hidden * hidden + 4 * hidden * ffn) + 4 * hidden * tokens * tokens;
  }
  return sum * static_cast<double>(config.layers);
}

int main(int count, char** arguments) {
  int threads = core_budget().cores, repetitions = 7;
  std::string isa = "auto", dtype = "f32";
  for (int i = 1; i < count; i++) {
    const std::string argument = arguments[i];
    const std::string value = argument.substr(argument.find('=') + 1);
    if (argument.starts_with("--threads="))
      threads = std::atoi(value.c_str());
    else if (argument.starts_with("--repetitions="))
      repetitions = std::atoi(value.c_str());
    else if (argument.starts_with("--isa="))
      isa = value;
    else if (argument.starts_with("--dtype="))
      dtype = value;
    else {
      std::fprintf(stderr, "usage: f32_bench [--threads=N] [--repetitions=N] [--isa=NAME]\n");
      return 2;
    }
  }
  const Ops& ops = ops_for(isa);
  ThreadPool pool(threads);
  const RandomModel model(bge_m3_config());
  Team team(pool);
  const Precision precision = parse_precision(dtype);
  const Encoder encoder(pack_model(model.config(), model.weights(), precision, team), ops);

  std::vector<Contender> contenders;
  contenders.push_back({"peak (fused multiply-adds in registers)", [&] {
                          std::vector<double> operations(static_cast<size_t>(threads));
                          pool.parallel_for(threads, [&](int index, int) {
                            operations[static_cast<size_t>(index)] = fma_flops(ops.name, 20'000'000);
                          });
                          double sum = 0;
                          for (const double value : operations) sum += value;
                          return sum;
                        }});

  std::vector<Batch> batches;
  std::vector<std::string> names;
  const auto add = [&](const std::string& name, std::vector<size_t> lengths) {
    Batch& batch = batches.emplace_back();
    names.push_back(name);
    for (const size_t tokens : lengths) {
      std::vector<uint32_t> ids(tokens);
      for (size_t i = 0; i < tokens; i++) ids[i] = static_cast<uint32_t>((i * 7919 + tokens) % 997 + 2);
      batch.add(ids);
    }
  };
  add("1 x 9 tokens", {9});
  add("16 x 128 tokens", std::vector<size_t>(16, 128));
  add("4 x 512 tokens", std::vector<size_t>(4, 512));
  add("1 x 2048 tokens", {2048});
  Workspace workspace(model.config(), precision, 2048, 2048, threads);
  for (size_t i = 0; i < batches.size(); i++) {
    const double operations = encoder_operations(model.config(), batches[i]);
    contenders.push_back({"encoder, " + names[i],
                          [&, i, operations] {
                            encoder.forward(batches[i], workspace, team,
                                            std::getenv("ALL") ? TokenRows::all : TokenRows::first);
                            return operations;
                          },
                          {},
                          static_cast<double>(batches[i].tokens()),
                          operations});
  }

  for (int round = 0; round <= repetitions; round++) {
    for (Contender& contender : contenders) {
      const double start = seconds();
      const double operations = contender.run();
      if (round > 0) contender.rates.push_back(operations / (seconds() - start));  // the first round warms up
    }
  }

  const double peak = contenders.front().best();
  std::printf("f32, %s, %d threads, best of %d rounds\n", std::string(ops.name).c_str(), threads, repetitions);
  std::printf("%-42s %10s %9s %11s %9s %8s\n", "", "GFLOP/s", "% of peak", "tokens/s", "ms", "spread");
  for (const Contender& c : contenders) {
    std::printf("%-42s %10.1f %8.1f%% ", c.name.c_str(), c.best() / 1e9, 100 * c.best() / peak);
    if (c.tokens > 0)
      std::printf("%11.1f %9.1f ", c.tokens * c.best() / c.operations, 1e3 * c.operations / c.best());
    else
      std::printf("%11s %9s ", "", "");
    std::printf("%7.1f%%\n", 100 * c.spread());
  }
  return 0;
}

}  // namespace
}  // namespace bgem3::bench

int main(int count, char** arguments) { return bgem3::bench::main(count, arguments); }
