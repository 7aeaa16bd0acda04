#include "texts.h"

#include <nanobind/stl/string.h>

namespace bgem3::python {

Texts::Texts(Strings texts) : texts_(std::move(texts)) {
  views_.reserve(texts_.size());
  for (const nb::handle text : texts_) {
    if (!PyUnicode_Check(text.ptr())) {
      no_texts_.push_back(views_.size());
      views_.emplace_back();
    } else if (PyUnicode_IS_COMPACT_ASCII(text.ptr())) {
      views_.emplace_back(static_cast<const char*>(PyUnicode_DATA(text.ptr())),
                          static_cast<size_t>(PyUnicode_GET_LENGTH(text.ptr())));
    } else {
      // Not PyUnicode_AsUTF8: that would keep its copy as long as the caller keeps the string.
      nb::object bytes = nb::steal(PyUnicode_AsEncodedString(text.ptr(), "utf-8", "surrogatepass"));
      if (!bytes.is_valid()) throw nb::python_error();
      views_.emplace_back(PyBytes_AS_STRING(bytes.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr())));
      encoded_.push_back(std::move(bytes));
    }
  }
}

std::string Texts::reason(size_t index) const {
  return "a " + nb::cast<std::string>(texts_[index].type().attr("__name__")) + ", expected a str";
}

}  // namespace bgem3::python
