// What the process may use of the machine: instruction sets and cores.
#pragma once

#include <string>

namespace bgem3 {

// Instruction sets of this CPU that the operating system saves too.
struct CpuFeatures {
  bool avx2 = false;         // AVX2, FMA and F16C
  bool avx512 = false;       // AVX-512 F, BW, DQ and VL
  bool avx512_vnni = false;  // these and the dot products of bytes
  bool avx512_bf16 = false;  // these and the dot products of bf16
};
CpuFeatures cpu_features();

// How many threads are worth starting, and the reason in words.
struct CoreBudget {
  int cores = 1;       // at least 1
  std::string reason;  // "affinity: 4 of 64 cores", "cgroup quota: 1.5 cores"
};

// The smaller of the process's affinity and its cgroup's CPU quota (version 2 and 1), rounded up.
// `root` stands before the paths of /proc and /sys, for tests. Never throws; reads a few small files.
CoreBudget core_budget(const std::string& root = "");

}  // namespace bgem3
