#include "verify/structure.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>

#include "bgem3/error.h"
#include "kernels/matrix.h"
#include "model/config.h"
#include "model/messages.h"
#include "model/weights.h"

namespace bgem3 {
namespace {

constexpr size_t kBlockValues = size_t{1} << 16;    // that a thread widens at a time
constexpr size_t kGroupValues = kBlockValues << 6;  // that are read before their pages are released

struct TensorFacts {
  size_t first_bad = SIZE_MAX;  // index of a value that is infinite or not a number
  size_t bad = 0;               // how many
  bool exact = true;            // half precision holds every value
};

TensorFacts look_at(const Tensor& tensor, const Weights& weights, ThreadPool& pool) {
  const size_t values = tensor.elements();
  std::atomic<size_t> first_bad = SIZE_MAX, bad = 0;
  std::atomic<bool> exact = true;
  for (size_t group = 0; group < values; group += kGroupValues) {
    const size_t end = std::min(values, group + kGroupValues);
    pool.parallel_for((end - group + kBlockValues - 1) / kBlockValues, [&](size_t block, int) {
      const size_t first = group + block * kBlockValues;
      thread_local std::vector<float> buffer;
      buffer.resize(std::min(kBlockValues, end - first));
      convert_to_f32(tensor, first, buffer);
      if (exact && !exact_in_f16(buffer)) exact = false;
      size_t count = 0, lowest = SIZE_MAX;
      for (size_t i = buffer.size(); i-- > 0;) {
        if (std::isfinite(buffer[i])) continue;
        count++;
        lowest = first + i;
      }
      if (count == 0) return;
      bad += count;
      size_t known = first_bad;
      while (lowest < known && !first_bad.compare_exchange_weak(known, lowest)) {
      }
    });
    for (const auto& file : weights.files) file->release_pages();
  }
  return {first_bad, bad, exact};
}

void check_values(const Weights& weights, ThreadPool& pool, Checks& checks) {
  size_t tensors = 0, values = 0, exact = 0, bad_tensors = 0;
  for (const Tensor* tensor : all_tensors(weights)) {
    const TensorFacts facts = look_at(*tensor, weights, pool);
    tensors++;
    values += tensor->elements();
    exact += facts.exact;
    if (facts.bad == 0) continue;
    bad_tensors++;
    float value = 0;
    convert_to_f32(*tensor, facts.first_bad, {&value, 1});
    Check& check = checks.add(
        fmt::format("tensor {}", quote(tensor->name)), Outcome::fail,
        fmt::format("{} of its {} values are not finite; the file is damaged or its training diverged: get it again "
                    "from its source",
                    facts.bad, tensor->elements()));
    check.expected = "finite values";
    check.found = fmt::format("element {} is {}", facts.first_bad, value);
  }
  if (bad_tensors == 0) {
    Check& check = checks.add("finite values", Outcome::pass);
    check.expected = check.found = fmt::format("all of {}", values);
  }
  checks.add("exact in half precision", Outcome::pass, "these take half the memory in f32, with the same bits").found =
      fmt::format("{} of {} tensors", exact, tensors);
}

}  // namespace

void check_structure(const ModelFiles& files, ThreadPool& pool, Checks& checks) {
  std::optional<ModelConfig> config;
  try {
    config = read_config(files);
    checks.add("config.json", Outcome::pass).found =
        fmt::format("{}, {} layers, {} wide", config->model_type, config->layers, config->hidden);
  } catch (const ModelLoadingError& error) {
    checks.add("config.json", Outcome::fail, error.what());
    checks.add("tensors", Outcome::skipped, "config.json does not say which to expect");
    return;
  }
  std::optional<Weights> weights;
  try {
    weights = load_weights(files, *config);
    checks.add("tensors", Outcome::pass, "each once, with the shape that config.json says").found =
        fmt::format("{}", all_tensors(*weights).size());
  } catch (const ModelLoadingError& error) {
    checks.add("tensors", Outcome::fail, error.what());
    checks.add("finite values", Outcome::skipped, "the tensors cannot be read");
    return;
  }
  check_values(*weights, pool, checks);
}

}  // namespace bgem3
