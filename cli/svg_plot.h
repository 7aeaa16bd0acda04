// Series of numbers as an SVG picture. Start at svg_plot.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace bgem3::cli {

struct PlotSeries {
  std::string name;
  std::vector<double> values;
};

// One panel a series, above each other, each with its own scale from 0; one x a value. The whole file.
std::string svg_plot(const std::vector<PlotSeries>& series, const std::string& x_name);

}  // namespace bgem3::cli
