// Unicode's own test files for UAX #29, where Debian's package unicode-data puts them. For tests only.
#pragma once

#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/utf8.h"

namespace bgem3::test {

using Parts = std::vector<std::string>;

// The parts that `end_of(text, begin)` cuts a text into.
inline Parts parts(const std::string& text, const std::function<size_t(std::string_view, size_t)>& end_of) {
  Parts found;
  for (size_t at = 0; at < text.size();) {
    const size_t end = end_of(text, at);
    if (end <= at || end > text.size())
      throw std::logic_error("a part from " + std::to_string(at) + " to " + std::to_string(end));
    found.push_back(text.substr(at, end - at));
    at = end;
  }
  return found;
}

inline std::string join(const Parts& parts) {
  std::string text;
  for (const std::string& part : parts) text += part;
  return text;
}

// The cases of a file, each as the parts of a text; none if the file is not there. A line is such as
// "÷ 0001 × 0308 ÷ 0061 ÷  # ...": ÷ is a break, × is none.
inline std::vector<Parts> break_cases(const std::string& name) {
  std::ifstream file("/usr/share/unicode/auxiliary/" + name);
  std::vector<Parts> cases;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    Parts expected;
    for (std::string word; words >> word;) {
      if (word == "÷") {
        expected.emplace_back();
      } else if (word != "×") {
        expected.back() += utf8::Bytes(static_cast<char32_t>(std::stoul(word, nullptr, 16))).view();
      }
    }
    if (expected.empty()) continue;
    expected.pop_back();  // after the last ÷
    cases.push_back(expected);
  }
  return cases;
}

}  // namespace bgem3::test
