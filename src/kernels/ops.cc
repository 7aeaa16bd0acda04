#include "kernels/ops.h"

#include <fmt/ranges.h>

#include "base/cpu.h"
#include "base/error.h"

namespace bgem3 {
namespace {

std::vector<const Ops*> present_ops() {
  std::vector<const Ops*> present = {&kScalarOps};
#if defined(__x86_64__)
  const CpuFeatures features = cpu_features();
  if (features.avx2) present.push_back(&kAvx2Ops);
  if (features.avx512) present.push_back(&kAvx512Ops);
#endif
  return present;
}

}  // namespace

size_t attention_scratch(size_t tokens, size_t head_size) {
  return round_up(tokens, kPanelColumns) * head_size + tokens * round_up(head_size, kPanelColumns) +
         kQueryRows * (row_stride(kKeyTile) + row_stride(head_size));
}

std::vector<std::string> present_isas() {
  std::vector<std::string> names;
  for (const Ops* ops : present_ops()) names.emplace_back(ops->name);
  return names;
}

const Ops& ops_for(std::string_view isa) {
  const std::vector<const Ops*> present = present_ops();
  if (isa == "auto") return *present.back();
  for (const Ops* ops : present) {
    if (ops->name == isa) return *ops;
  }
  fail<InvalidInputError>(ErrorCode::invalid_input,
                          "instruction set \"{}\": not known or not on this machine; expected auto, {}", isa,
                          fmt::join(present_isas(), ", "));
}

}  // namespace bgem3
