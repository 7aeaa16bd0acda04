// What bench/run.py runs: the machine's peaks, our kernels, scoring and the whole engine, one line of JSON for each
// row.
//   build/bench/bin/bgem3_bench --model=FOLDER --workload=FOLDER [--threads=N] [--rounds=N] [--isa=NAME] [--long]
//                               [--only=kernels|engine|scoring]
#include <fmt/format.h>

#include <cstdio>
#include <deque>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/cpu.h"
#include "base/thread_pool.h"
#include "engine.h"
#include "kernels.h"
#include "kernels/ops.h"
#include "measure.h"
#include "onednn.h"
#include "peak.h"
#include "scoring.h"

namespace bgem3::bench {
namespace {

constexpr size_t kPeakSteps = 2'000'000;
constexpr size_t kReadBytes = size_t{512} << 20;  // more than any cache
constexpr int kEngineRounds = 2;                  // of some ten seconds each for every precision

struct Options {
  EngineOptions engine;
  int rounds = 8;
  std::string only;
};

Options parse(int count, char** arguments) {
  Options options;
  options.engine.threads = core_budget().cores;
  for (int i = 1; i < count; i++) {
    const std::string argument = arguments[i];
    const std::string name = argument.substr(0, argument.find('=')), value = argument.substr(argument.find('=') + 1);
    if (name == "--model")
      options.engine.model = value;
    else if (name == "--workload")
      options.engine.workload = value;
    else if (name == "--threads")
      options.engine.threads = std::stoi(value);
    else if (name == "--rounds")
      options.rounds = std::stoi(value);
    else if (name == "--isa")
      options.engine.isa = value;
    else if (name == "--long")
      options.engine.long_texts = true;
    else if (name == "--only")
      options.only = value;
    else
      throw std::runtime_error("unknown argument " + argument);
  }
  return options;
}

// The loops of every instruction set up to `isa`, and memory, on one thread and on all.
class Peaks {
 public:
  Peaks(std::string_view isa, int threads) : pool_(threads), memory_(kReadBytes) {
    const auto present = present_isas();
    for (const std::string& name : present) {
      for (const PeakLoop& loop : peak_loops())
        if (loop.isa == name) add_loop(loop);
      if (name == isa) break;
    }
    for (const int count : counts()) {
      contenders_.push_back({fmt::format(R"("group": "bandwidth", "threads": {})", count), "B/s", [this, count] {
                               const size_t part = memory_.size() / static_cast<size_t>(count) / 128 * 128;
                               pool_.parallel_for(static_cast<size_t>(count), [&](size_t index, int) {
                                 read_memory(memory_.data() + part * index, part);
                               });
                               return static_cast<double>(part) * count;
                             }});
    }
  }

  std::vector<Contender*> contenders() {
    std::vector<Contender*> all;
    for (Contender& contender : contenders_) all.push_back(&contender);
    return all;
  }

 private:
  std::vector<int> counts() const { return pool_.threads() > 1 ? std::vector{1, pool_.threads()} : std::vector{1}; }

  void add_loop(const PeakLoop& loop) {
    for (const int count : counts()) {
      contenders_.push_back(
          {fmt::format(R"("group": "peak", "isa": "{}", "dtype": "{}", "threads": {})", loop.isa, loop.dtype, count),
           "op/s", [this, &loop, count] {
             pool_.parallel_for(static_cast<size_t>(count), [&](size_t, int) { loop.run(kPeakSteps); });
             return loop.operations * static_cast<double>(kPeakSteps) * count;
           }});
    }
  }

  ThreadPool pool_;
  AlignedBuffer<std::byte> memory_;
  std::deque<Contender> contenders_;
};

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

int main(int count, char** arguments) {
  const Options options = parse(count, arguments);
  const Ops& ops = ops_for(options.engine.isa);
  const std::string onednn = onednn_version();
  std::puts(fmt::format(R"({{"facts": {{"compiler": "{}", "isa": "{}", "threads": {}, "onednn": "{}"}}}})", compiler(),
                        ops.name, options.engine.threads, onednn.empty() ? "none" : onednn)
                .c_str());
  if (onednn.empty()) print_gap("oneDNN: not there when this was built (Debian: libdnnl-dev)");
  Peaks peaks(ops.name, options.engine.threads);
  const auto wanted = [&](std::string_view part) { return options.only.empty() || options.only == part; };
  if (wanted("kernels")) bench_kernels(ops, options.engine.threads, peaks.contenders(), options.rounds);
  if (wanted("scoring")) bench_scoring(options.engine.isa, options.engine.threads, peaks.contenders(), options.rounds);
  if (wanted("engine")) bench_engine(options.engine, peaks.contenders(), kEngineRounds);
  for (const Contender* contender : peaks.contenders()) print_row(*contender);
  return 0;
}

}  // namespace
}  // namespace bgem3::bench

int main(int count, char** arguments) try {
  return bgem3::bench::main(count, arguments);
} catch (const std::exception& error) {
  std::fprintf(stderr, "bgem3_bench: %s\n", error.what());
  return 1;
}
