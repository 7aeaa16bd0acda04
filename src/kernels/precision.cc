#include "kernels/precision.h"

#include "base/error.h"

namespace bgem3 {

const char* to_string(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return "f32";
    case Precision::bf16:
      return "bf16";
    case Precision::int8:
      return "int8";
  }
  return "f32";
}

Precision parse_precision(const std::string& name) {
  if (name == "f32" || name == "float32") return Precision::f32;
  if (name == "bf16" || name == "bfloat16") return Precision::bf16;
  if (name == "int8") return Precision::int8;
  fail<InvalidInputError>(ErrorCode::invalid_input,
                          "dtype \"{}\": not known; expected f32 (float32), bf16 (bfloat16) or int8", name);
}

}  // namespace bgem3
