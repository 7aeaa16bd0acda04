#include "base/cpu.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace bgem3 {
namespace {

class CoreBudgetTest : public testing::Test {
 protected:
  CoreBudgetTest() : root_(testing::TempDir() + "bgem3_cpu_" + std::to_string(getpid())) {}
  ~CoreBudgetTest() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << content;
  }
  const std::string root_;
};

TEST_F(CoreBudgetTest, WithoutCgroupsIsTheAffinity) {
  const CoreBudget budget = core_budget(root_);
  EXPECT_GE(budget.cores, 1);
  EXPECT_NE(budget.reason.find("affinity"), std::string::npos);
}

TEST_F(CoreBudgetTest, ReadsVersion2OfTheGroupAndItsParents) {
  write("/proc/self/cgroup", "0::/a/b\n");
  write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  write("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
  const CoreBudget budget = core_budget(root_);
  EXPECT_EQ(budget.cores, 1);
  EXPECT_EQ(budget.reason, "cgroup quota: 0.5 cores");
}

TEST_F(CoreBudgetTest, ReadsVersion1) {
  write("/proc/self/cgroup", "3:memory:/m\n2:cpu,cpuacct:/c\n");
  write("/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "25000\n");
  write("/sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(core_budget(root_).reason, "cgroup quota: 0.25 cores");
}

TEST_F(CoreBudgetTest, IgnoresNonsense) {
  write("/proc/self/cgroup", "garbage\n::\n");
  write("/sys/fs/cgroup/cpu.max", "-5 0\n");
  EXPECT_GE(core_budget(root_).cores, 1);
}

}  // namespace
}  // namespace bgem3
