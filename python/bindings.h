// One function for each source file that adds to the module, and what they share.
#pragma once

#include <nanobind/nanobind.h>

namespace bgem3::python {

namespace nb = nanobind;

// C++ exceptions become those of bgem3.errors, with the same name and code.
void bind_errors();
void bind_info(nb::module_& module);
void bind_embedder(nb::module_& module);
void bind_generator(nb::module_& module);
void bind_chunker(nb::module_& module);
void bind_scoring(nb::module_& module);
void bind_quantize(nb::module_& module);

}  // namespace bgem3::python
