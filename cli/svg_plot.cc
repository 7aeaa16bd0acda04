#include "svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace bgem3::cli {

namespace {

constexpr double kWidth = 800, kPanel = 160, kLeft = 80, kRight = 20, kAbove = 28, kBelow = 16;
constexpr double kFooter = 24;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

void append_panel(std::string& out, const PlotSeries& series, double top) {
  const auto add = std::back_inserter(out);
  double most = 0;
  for (const double value : series.values) {
    if (std::isfinite(value)) most = std::max(most, value);
  }
  const double high = most > 0 ? most : 1;
  const double floor = top + kPanel - kBelow, height = kPanel - kBelow - kAbove;
  fmt::format_to(add, "<text x=\"{}\" y=\"{}\" font-weight=\"bold\">{}</text>\n", kLeft, top + 18,
                 escaped(series.name));
  for (const double part : {0.0, 0.5, 1.0}) {
    const double y = floor - part * height;
    fmt::format_to(add, "<line x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\" stroke=\"#ddd\"/>\n", kLeft, y,
                   kWidth - kRight, y);
    fmt::format_to(add, "<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:.4g}</text>\n", kLeft - 8, y + 4,
                   part * high);
  }
  std::string points;
  const double step = (kWidth - kLeft - kRight) / static_cast<double>(std::max<size_t>(series.values.size(), 2) - 1);
  for (size_t i = 0; i < series.values.size(); ++i) {
    if (!std::isfinite(series.values[i])) continue;
    const double x = kLeft + step * static_cast<double>(i), y = floor - series.values[i] / high * height;
    fmt::format_to(std::back_inserter(points), "{}{:.1f},{:.1f}", points.empty() ? "" : " ", x, y);
    fmt::format_to(add, "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2\" fill=\"#1f6feb\"/>\n", x, y);
  }
  fmt::format_to(add, "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f6feb\"/>\n", points);
}

}  // namespace

std::string svg_plot(const std::vector<PlotSeries>& series, const std::string& x_name) {
  const double height = kPanel * static_cast<double>(series.size()) + kFooter;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\""
      " font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kWidth, height);
  for (size_t i = 0; i < series.size(); ++i) append_panel(out, series[i], kPanel * static_cast<double>(i));
  fmt::format_to(std::back_inserter(out), "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n</svg>\n",
                 (kLeft + kWidth - kRight) / 2, height - 8, escaped(x_name));
  return out;
}

}  // namespace bgem3::cli
