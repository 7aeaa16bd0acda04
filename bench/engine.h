// The whole engine through its public interface: texts a second, and how long one short query takes. Start at
// bench_engine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "measure.h"

namespace bgem3::bench {

struct EngineOptions {
  std::string model;     // folder of a model
  std::string workload;  // folder with NAME.txt, one text a line (bench/workload.py)
  std::string isa = "auto";
  int threads = 1;
  bool long_texts = false;  // 8192 tokens in f32 too: a minute
};

// Measures and prints the groups "encoder" and "latency" of every precision, in turns with `peaks`.
void bench_engine(const EngineOptions& options, std::span<Contender* const> peaks, int rounds);

}  // namespace bgem3::bench
