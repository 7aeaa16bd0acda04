// The module bgem3._native: what the Python package (bgem3/) builds on, the public headers as they are.
#include "bindings.h"

NB_MODULE(_native, module) {
  module.doc() = "The C++ library, for the package bgem3 alone. Use bgem3.Embedder.";
  nanobind::set_leak_warnings(false);  // objects may live as long as the interpreter does
  bgem3::python::bind_errors();
  bgem3::python::bind_info(module);
  bgem3::python::bind_embedder(module);
  bgem3::python::bind_generator(module);
  bgem3::python::bind_chunker(module);
  bgem3::python::bind_scoring(module);
  bgem3::python::bind_quantize(module);
}
