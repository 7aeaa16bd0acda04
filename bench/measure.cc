#include "measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

namespace bgem3::bench {
namespace {

constexpr double kSampleSeconds = 0.02;
constexpr double kContenderSeconds = 50;

void take_sample(Contender& contender) {
  // Threads of the contender before this one may spin for some milliseconds (OpenMP's do): they would take our cores.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  double start = now_seconds();
  double done = contender.run();
  double seconds = now_seconds() - start;
  if (seconds < kSampleSeconds) {  // a short run wakes threads and fills caches first
    done = seconds = 0;
    start = now_seconds();
  }
  while (seconds < kSampleSeconds) {
    done += contender.run();
    seconds = now_seconds() - start;
  }
  contender.rates.push_back(done / seconds);
  contender.seconds += seconds;
}

void print_line(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

}  // namespace

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Contender::best() const { return *std::max_element(rates.begin(), rates.end()); }

double Contender::spread() const {
  std::vector<double> sorted = rates;
  std::sort(sorted.begin(), sorted.end());
  return 1 - sorted[(sorted.size() - 1) / 2] / sorted.back();
}

void measure(std::span<Contender* const> contenders, int rounds) {
  for (int round = 0; round < rounds; round++) {
    for (Contender* contender : contenders) {
      const double samples = static_cast<double>(contender->rates.size());
      if (round > 0 && contender->seconds * (samples + 1) / samples > kContenderSeconds) continue;
      take_sample(*contender);
    }
    std::fprintf(stderr, "round %d of %d\n", round + 1, rounds);
  }
}

void print_row(const Contender& contender) {
  print_row(contender.facts, contender.unit, contender.best(), contender.spread(), contender.rates.size());
}

void print_row(const std::string& facts, const std::string& unit, double value, double spread, size_t samples) {
  print_line(fmt::format(R"({{{}, "unit": "{}", "value": {:.6g}, "spread": {:.4f}, "samples": {}}})", facts, unit,
                         value, spread, samples));
}

void print_gap(const std::string& text) { print_line(fmt::format(R"({{"gap": "{}"}})", text)); }

}  // namespace bgem3::bench
