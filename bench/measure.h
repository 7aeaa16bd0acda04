// How everything is timed: contenders take turns, round by round, and the best sample of each counts, since a shared
// machine is slow for seconds at a time. Start at measure.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace bgem3::bench {

struct Contender {
  std::string facts;               // members of a JSON object that name this row: "group": "product", "rows": 8
  std::string unit;                // of the rate: "op/s", "B/s", "token/s"
  std::function<double()> run;     // works once, answers how much was done in units
  std::vector<double> rates = {};  // per second, one for each sample
  double seconds = 0;              // of all samples

  double best() const;
  double spread() const;  // how far the median is behind the best, as a share of the best
};

// Takes up to `rounds` samples of each contender, in turns; a sample repeats `run` for at least twenty milliseconds. A
// contender sits out a round after its first if its samples would take more than fifty seconds together.
void measure(std::span<Contender* const> contenders, int rounds);

// One line of JSON on standard output: the facts, then unit, value (the best), spread and samples.
void print_row(const Contender& contender);
void print_row(const std::string& facts, const std::string& unit, double value, double spread, size_t samples);

// A line that names what was not measured, and why.
void print_gap(const std::string& text);

double now_seconds();  // of a clock that only goes forward

}  // namespace bgem3::bench
