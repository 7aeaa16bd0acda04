#include "svg_plot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace bgem3::cli {
namespace {

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(SvgPlot, HasAPointForEachValueAndTheScale) {
  const std::string svg = svg_plot({{"speed", {10, 20, 40}}, {"a<b&c", {1, NAN, 3}}}, "calls");
  EXPECT_EQ(svg.find("<svg xmlns="), 0u);
  EXPECT_EQ(count(svg, "<circle"), 5u);  // what is not a number is left out
  EXPECT_EQ(count(svg, "<polyline"), 2u);
  EXPECT_EQ(count(svg, ">40<"), 1u);  // the top of the scale
  EXPECT_EQ(count(svg, ">20<"), 1u);
  EXPECT_EQ(count(svg, "a&lt;b&amp;c"), 1u);
  EXPECT_EQ(count(svg, "nan"), 0u);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

TEST(SvgPlot, DrawsNothingOneValueAndZeros) {
  EXPECT_EQ(count(svg_plot({{"none", {}}}, "x"), "<circle"), 0u);
  EXPECT_EQ(count(svg_plot({{"one", {5}}}, "x"), "<circle"), 1u);
  const std::string zeros = svg_plot({{"zeros", {0, 0}}}, "x");
  EXPECT_EQ(count(zeros, "<circle"), 2u);
  EXPECT_EQ(count(zeros, "nan") + count(zeros, "inf"), 0u);
}

}  // namespace
}  // namespace bgem3::cli
