#include "scoring.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <random>
#include <set>
#include <vector>

#include "base/aligned_buffer.h"
#include "bgem3/scoring.h"

namespace bgem3::bench {
namespace {

constexpr size_t kPassages = 1000, kPassageRows = 128, kDimensions = 1024;
constexpr size_t kQueryRows[] = {8, 16, 32, 128};

}  // namespace

void bench_scoring(const std::string& isa, int threads, std::span<Contender* const> peaks, int rounds) {
  AlignedBuffer<float> values(kPassages * kPassageRows * kDimensions);
  std::mt19937 generator(1);
  const float width = std::sqrt(3.0f / kDimensions);  // of vectors of length one, nearly
  std::generate_n(values.data(), values.size(),
                  [&] { return width * (static_cast<float>(generator()) * 0x1p-31f - 1); });
  std::vector<size_t> starts;
  for (size_t i = 0; i <= kPassages; i++) starts.push_back(i * kPassageRows);
  const TokenVectorsList passages = {{values.data(), values.size()}, starts, kDimensions};

  std::deque<MaxSim> scorers;
  std::deque<Contender> contenders;
  for (const int count : std::set<int>{1, threads}) {
    const MaxSim& scorer = scorers.emplace_back(MaxSimOptions{.threads = count, .isa = isa});
    for (const size_t rows : kQueryRows) {
      const TokenVectors query = {passages.values.first(rows * kDimensions), kDimensions};
      const double operations = 2.0 * static_cast<double>(rows * values.size());
      contenders.push_back({fmt::format(R"("group": "max_sim", "dtype": "f32", "rows": {}, "passages": {}, )"
                                        R"("length": {}, "threads": {}, "operations": {:.0f})",
                                        rows, kPassages, kPassageRows, count, operations),
                            "op/s", [&scorer, query, &passages, operations] {
                              scorer.scores(query, passages);
                              return operations;
                            }});
    }
  }
  std::vector<Contender*> all(peaks.begin(), peaks.end());
  for (Contender& contender : contenders) all.push_back(&contender);
  measure(all, rounds);
  for (const Contender& contender : contenders) print_row(contender);
}

}  // namespace bgem3::bench
