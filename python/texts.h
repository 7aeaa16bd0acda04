// Python's strings as C++ reads them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bindings.h"

namespace bgem3::python {

using Strings = nb::typed<nb::tuple, nb::str, nb::ellipsis>;

// The texts of a tuple as UTF-8, without a copy where they are ASCII; valid as long as this object lives. A lone
// surrogate becomes bytes that are no UTF-8, for the library to judge as it judges any other.
class Texts {
 public:
  explicit Texts(Strings texts);

  const std::vector<std::string_view>& views() const { return views_; }
  // Places of what is no str: their views are empty.
  const std::vector<size_t>& no_texts() const { return no_texts_; }
  // "a NoneType, expected a str": why it is none.
  std::string reason(size_t index) const;

 private:
  Strings texts_;
  std::vector<nb::object> encoded_;
  std::vector<std::string_view> views_;
  std::vector<size_t> no_texts_;
};

}  // namespace bgem3::python
