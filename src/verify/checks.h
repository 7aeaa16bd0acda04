// The list of checks as it grows.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bgem3/verify.h"

namespace bgem3 {

// Those of one group, and of one precision where `dtype` says so. Appends to a list that outlives it.
class Checks {
 public:
  Checks(std::vector<Check>& all, std::string group, std::string dtype = {})
      : all_(all), group_(std::move(group)), dtype_(std::move(dtype)) {}

  Check& add(std::string name, Outcome outcome, std::string note = {});
  // Passes if both are the same.
  Check& equal(std::string name, std::string expected, std::string found);
  // Passes if the two differ by `tolerance` at most; what is not a number fails.
  Check& near(std::string name, double expected, double found, double tolerance);

 private:
  std::vector<Check>& all_;
  std::string group_, dtype_;
};

}  // namespace bgem3
