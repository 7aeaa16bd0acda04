#include "verify/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bgem3 {

Check& Checks::add(std::string name, Outcome outcome, std::string note) {
  Check& check = all_.emplace_back();
  check.group = group_;
  check.dtype = dtype_;
  check.name = std::move(name);
  check.outcome = outcome;
  check.note = std::move(note);
  return check;
}

Check& Checks::equal(std::string name, std::string expected, std::string found) {
  Check& check = add(std::move(name), expected == found ? Outcome::pass : Outcome::fail);
  check.expected = std::move(expected);
  check.found = std::move(found);
  return check;
}

Check& Checks::near(std::string name, double expected, double found, double tolerance) {
  const double difference = std::abs(found - expected);
  Check& check = add(std::move(name), difference <= tolerance ? Outcome::pass : Outcome::fail);
  check.expected = fmt::format("{:.8g}", expected);
  check.found = fmt::format("{:.8g}", found);
  check.difference = difference;
  check.tolerance = tolerance;
  check.is_numeric = true;
  return check;
}

const char* to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass:
      return "pass";
    case Outcome::fail:
      return "fail";
    case Outcome::skipped:
      return "skipped";
  }
  return "fail";
}

bool VerifyReport::passed() const {
  return std::none_of(checks.begin(), checks.end(), [](const Check& check) { return check.outcome == Outcome::fail; });
}

}  // namespace bgem3
