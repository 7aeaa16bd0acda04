#include <algorithm>
#include <limits>
#include <optional>

#include "base/aligned_buffer.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "bgem3/scoring.h"
#include "kernels/float_mode.h"
#include "kernels/ops.h"
#include "scoring/starts.h"

namespace bgem3 {
namespace {

// Stretches of passages that a thread should get, so that one thread held up does not hold up all.
constexpr size_t kTasksPerThread = 16;

// The number of rows; `what` is the query, a passage or all of them.
size_t count_rows(std::string_view what, std::span<const float> values, size_t dimensions) {
  if (dimensions == 0 || values.size() % dimensions != 0) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "{}: {} values are no rows of {} dimensions: expected a multiple of the dimensions", what,
                            values.size(), dimensions);
  }
  return values.size() / dimensions;
}

[[noreturn]] void fail_empty(const std::string& what) {
  fail<InvalidInputError>(ErrorCode::invalid_input, "{} has no vectors: MaxSim needs at least one", what);
}

void check_dimensions(size_t query, size_t passages) {
  if (query == passages) return;
  fail<InvalidInputError>(ErrorCode::invalid_input,
                          "the query has {} dimensions, passages have {}: vectors of one model and one truncate_dim "
                          "have the same",
                          query, passages);
}

// A query in the order the kernels read, and the score of passages.
class Query {
 public:
  Query(const TokenVectors& query, const Ops& ops)
      : rows_(checked_rows(query)), panels_(WeightType::f32, rows_, query.dimensions), ops_(ops) {
    panels_.pack(0, {query.values.data(), rows_, query.dimensions, query.dimensions}, std::vector<float>(rows_));
  }

  // passage: at least one row.
  float score(View<const float> passage, size_t zero_rows_to, AlignedBuffer<float>& largest) const {
    const FloatMode mode;
    const bool filled_up = passage.rows < zero_rows_to;
    std::fill_n(largest.data(), largest.size(), filled_up ? 0 : -std::numeric_limits<float>::infinity());
    ops_.largest_products(passage, panels_.view(), largest.data());
    double sum = 0;
    for (size_t i = 0; i < rows_; i++) sum += largest[i];
    return static_cast<float>(sum / static_cast<double>(rows_));
  }
  // Memory for score().
  AlignedBuffer<float> make_largest() const { return AlignedBuffer<float>(panels_.view().panels() * kPanelColumns); }

 private:
  static size_t checked_rows(const TokenVectors& query) {
    const size_t rows = count_rows("query", query.values, query.dimensions);
    if (rows == 0) fail_empty("the query");
    return rows;
  }

  size_t rows_;
  OwnedWeights panels_;
  const Ops& ops_;
};

int checked_threads(int threads) {
  if (threads < 0) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "threads {}: expected 0 (all cores) or more", threads);
  }
  const int cores = core_budget().cores;
  return threads == 0 ? cores : std::min(threads, cores);
}

}  // namespace

struct MaxSim::Impl {
  ThreadPool pool;
  const Ops& ops;
};

MaxSim::MaxSim(const MaxSimOptions& options)
    : impl_(new Impl{ThreadPool(checked_threads(options.threads)), ops_for(options.isa)}) {}
MaxSim::MaxSim(MaxSim&&) noexcept = default;
MaxSim& MaxSim::operator=(MaxSim&&) noexcept = default;
MaxSim::~MaxSim() = default;

std::vector<float> MaxSim::scores(const TokenVectors& query, const TokenVectorsList& passages,
                                  size_t zero_rows_to) const {
  check_dimensions(query.dimensions, passages.dimensions);
  const Query packed(query, impl_->ops);
  const size_t rows = count_rows("passages", passages.values, passages.dimensions);
  check_starts(passages.starts, rows, "rows");
  const size_t count = passages.starts.size() - 1;
  for (size_t i = 0; i < count; i++) {
    if (passages.starts[i] == passages.starts[i + 1]) fail_empty(fmt::format("passage {}", i));
  }
  const View<const float> all = {passages.values.data(), rows, passages.dimensions, passages.dimensions};
  std::vector<float> scores(count);
  std::vector<AlignedBuffer<float>> largest;
  for (int i = 0; i < impl_->pool.threads(); i++) largest.push_back(packed.make_largest());
  // Neighbours go to one thread: it reads memory in order.
  const size_t tasks = std::min(count, kTasksPerThread * largest.size());
  impl_->pool.parallel_for(tasks, [&](size_t task, int thread) {
    for (size_t i = count * task / tasks; i < count * (task + 1) / tasks; i++) {
      const size_t start = passages.starts[i];
      scores[i] = packed.score(all.rows_at(start, passages.starts[i + 1] - start), zero_rows_to,
                               largest[static_cast<size_t>(thread)]);
    }
  });
  return scores;
}

float max_sim(const TokenVectors& query, const TokenVectors& passage, size_t zero_rows_to) {
  check_dimensions(query.dimensions, passage.dimensions);
  const Query packed(query, ops_for("auto"));
  const size_t rows = count_rows("passage", passage.values, passage.dimensions);
  if (rows == 0) fail_empty("the passage");
  AlignedBuffer<float> largest = packed.make_largest();
  return packed.score({passage.values.data(), rows, passage.dimensions, passage.dimensions}, zero_rows_to, largest);
}

}  // namespace bgem3
