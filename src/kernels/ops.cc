#include "kernels/ops.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <type_traits>

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
  if (features.avx512_vnni) present.push_back(&kAvx512VnniOps);
  if (features.avx512_bf16) present.push_back(&kAvx512Bf16Ops);
#endif
  return present;
}

}  // namespace

namespace {

// Cuts memory into aligned arrays; without memory it only counts.
class Cutter {
 public:
  explicit Cutter(float* memory) : memory_(memory) {}
  template <typename T>
  T* take(size_t values) {
    float* begin = memory_ ? memory_ + used_ : nullptr;
    used_ += round_up(values * sizeof(T), 64) / sizeof(float);
    return reinterpret_cast<T*>(begin);
  }
  template <typename T>
  View<T> take(size_t rows, size_t columns) {
    return {take<T>(rows * row_stride<T>(columns)), rows, columns, row_stride<T>(columns)};
  }
  size_t used() const { return used_; }

 private:
  float* memory_;
  size_t used_ = 0;
};

}  // namespace

template <typename T>
AttentionScratch<T>::AttentionScratch(std::span<float> memory, size_t tokens, size_t head_size) {
  constexpr size_t kPair = sizeof(float) / sizeof(T);  // values along depth that lie together
  Cutter cutter(memory.data());
  keys = cutter.take<T>(round_up(tokens, kPanelColumns) * round_up(head_size, kPair));
  values = cutter.take<T>(round_up(tokens, kPair) * round_up(head_size, kPanelColumns));
  scores = cutter.take<float>(kQueryRows, kKeyTile);
  if constexpr (std::is_same_v<T, float>) {
    weights = scores;
  } else {
    weights = cutter.take<T>(kQueryRows, kKeyTile);
  }
  sums = cutter.take<float>(kQueryRows, head_size);
  size = cutter.used();
}
template struct AttentionScratch<float>;
template struct AttentionScratch<BFloat16>;

namespace {

// Rows of one task of a product: enough for each panel to be read once for many. Rows are cut between tiles.
constexpr size_t kTaskRows = 516, kStripRows = 12;
// Tasks a thread should get, so that one thread held up does not hold up all.
constexpr size_t kTasksPerThread = 8;

size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

}  // namespace

ProductTasks::ProductTasks(size_t rows, size_t first_panel, size_t last_panel, int threads)
    : rows_(rows),
      first_panel_(first_panel),
      panels_(last_panel - first_panel),
      row_blocks_(divide_up(rows, kTaskRows)),
      panel_blocks_(std::min(divide_up(kTasksPerThread * static_cast<size_t>(threads), row_blocks_), panels_)) {}

ProductTasks::Task ProductTasks::operator[](size_t index) const {
  const size_t row_block = index / panel_blocks_, panel_block = index % panel_blocks_;
  const size_t strips = divide_up(rows_, kStripRows);
  return {strips * row_block / row_blocks_ * kStripRows,
          std::min(strips * (row_block + 1) / row_blocks_ * kStripRows, rows_),
          first_panel_ + panels_ * panel_block / panel_blocks_,
          first_panel_ + panels_ * (panel_block + 1) / panel_blocks_};
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
