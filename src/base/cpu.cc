#include "base/cpu.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace bgem3 {
namespace {

std::optional<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

// "/a/b" for "cpu": the cgroup of this process for a controller; version 2 has the empty controller name.
std::string cgroup_of(const std::string& root, const std::string& controller) {
  std::ifstream file(root + "/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {  // "4:cpu,cpuacct:/a/b" or "0::/a/b"
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool match =
        controller.empty() ? controllers == ",," : controllers.find("," + controller + ",") != std::string::npos;
    if (match) return line.substr(second + 1);
  }
  return "/";
}

// The smallest quota, in cores, of the group and the groups around it. `read` answers for one folder.
template <typename Read>
std::optional<double> smallest_quota(const std::string& mount, std::string group, Read read) {
  std::optional<double> smallest;
  while (true) {
    if (const std::optional<double> cores = read(mount + group)) smallest = std::min(smallest.value_or(*cores), *cores);
    const size_t slash = group.find_last_of('/');
    if (slash == std::string::npos || group.empty() || group == "/") break;
    group.resize(slash);
  }
  return smallest;
}

std::optional<double> ratio(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return std::nullopt;
  return quota / period;
}

std::optional<double> cgroup_quota(const std::string& root) {
  const auto version2 = smallest_quota(root + "/sys/fs/cgroup", cgroup_of(root, ""), [](const std::string& folder) {
    std::istringstream line(first_line(folder + "/cpu.max").value_or("max"));  // "max 100000" or "150000 100000"
    double quota = 0, period = 0;
    line >> quota >> period;
    return ratio(quota, period);
  });
  if (version2) return version2;
  return smallest_quota(root + "/sys/fs/cgroup/cpu", cgroup_of(root, "cpu"), [](const std::string& folder) {
    const double quota = std::atof(first_line(folder + "/cpu.cfs_quota_us").value_or("-1").c_str());
    return ratio(quota, std::atof(first_line(folder + "/cpu.cfs_period_us").value_or("0").c_str()));
  });
}

#if defined(__x86_64__)
// clang's __builtin_cpu_supports does not know this one.
bool has_f16c() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}

// Leaf 7, subleaf 1, EAX bit 5; its registers are those of AVX-512 F.
bool has_avx512_bf16() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & 1u << 5);
}
#endif

}  // namespace

CpuFeatures cpu_features() {
#if defined(__x86_64__)
  __builtin_cpu_init();  // its answers include what the operating system saves (XGETBV)
  CpuFeatures features;
  features.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  features.avx512 = features.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  features.avx512_vnni = features.avx512 && __builtin_cpu_supports("avx512vnni");
  features.avx512_bf16 = features.avx512_vnni && has_avx512_bf16();
  return features;
#else
  return {};
#endif
}

CoreBudget core_budget(const std::string& root) {
  const int present = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  cpu_set_t set;
  CPU_ZERO(&set);
  const int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : present;
  const std::optional<double> quota = cgroup_quota(root);
  if (quota && *quota < allowed) {
    return {std::max(1, static_cast<int>(std::ceil(*quota))), fmt::format("cgroup quota: {:.3g} cores", *quota)};
  }
  return {allowed, fmt::format("affinity: {} cores", allowed)};
}

}  // namespace bgem3
