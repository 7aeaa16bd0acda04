#include "bgem3/error.h"
#include "bindings.h"

namespace bgem3::python {
namespace {

const char* class_name(const EmbeddingGenerationError& error) {
  if (dynamic_cast<const ModelLoadingError*>(&error)) return "ModelLoadingError";
  if (dynamic_cast<const InferenceError*>(&error)) return "InferenceError";
  if (dynamic_cast<const QualityValidationError*>(&error)) return "QualityValidationError";
  if (dynamic_cast<const InvalidInputError*>(&error)) return "InvalidInputError";
  if (dynamic_cast<const ResourceLimitError*>(&error)) return "ResourceLimitError";
  return "EmbeddingGenerationError";
}

void translate(const std::exception_ptr& exception, void*) {
  try {
    std::rethrow_exception(exception);
  } catch (const EmbeddingGenerationError& error) {
    const nb::object type = nb::module_::import_("bgem3.errors").attr(class_name(error));
    PyErr_SetObject(type.ptr(), type(error.what(), to_string(error.code())).ptr());
  }
}

}  // namespace

void bind_errors() { nb::register_exception_translator(translate); }

}  // namespace bgem3::python
