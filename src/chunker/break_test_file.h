// Unicode's own test files for UAX #29, where Debian's package unicode-data puts them, and what runs them.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "tokenizer/utf8.h"

namespace bgem3::test {

inline std::string utf8_of(std::u32string_view text) {
  std::string bytes;
  for (const char32_t c : text) bytes += utf8::Bytes(c).view();
  return bytes;
}

// The parts that `end_of(text, begin)` cuts a text into.
inline std::vector<std::string> parts(const std::string& text,
                                      const std::function<size_t(std::string_view, size_t)>& end_of) {
  std::vector<std::string> found;
  for (size_t at = 0; at < text.size();) {
    const size_t end = end_of(text, at);
    if (end <= at || end > text.size()) {
      ADD_FAILURE() << "a part from " << at << " to " << end;
      break;
    }
    found.push_back(text.substr(at, end - at));
    at = end;
  }
  return found;
}

// Runs every line of a file such as "÷ 0001 × 0308 ÷ 0061 ÷  # ...": ÷ is a break, × is none.
inline void run_break_test_file(const std::string& name,
                                const std::function<size_t(std::string_view, size_t)>& end_of) {
  std::ifstream file("/usr/share/unicode/auxiliary/" + name);
  if (!file) GTEST_SKIP() << "install unicode-data (tools/install_packages tests/debian-packages.txt)";
  size_t cases = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::vector<std::string> expected;
    for (std::string word; words >> word;) {
      if (word == "÷") {
        expected.emplace_back();
      } else if (word != "×") {
        expected.back() += utf8::Bytes(static_cast<char32_t>(std::stoul(word, nullptr, 16))).view();
      }
    }
    if (expected.empty()) continue;
    expected.pop_back();  // after the last ÷
    std::string text;
    for (const std::string& part : expected) text += part;
    EXPECT_EQ(parts(text, end_of), expected) << line;
    ++cases;
  }
  EXPECT_GT(cases, 400u);
}

}  // namespace bgem3::test
