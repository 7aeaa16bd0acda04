#include "kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/float_mode.h"
#include "onednn.h"

namespace bgem3::bench {
namespace {

struct Shape {
  size_t columns, depth;
};
// Query, key and value; output of attention; the two of the feed-forward block.
constexpr Shape kShapes[] = {{3072, 1024}, {1024, 1024}, {4096, 1024}, {1024, 4096}};
constexpr size_t kRows[] = {1, 8, 32, 128, 512, 2048};
constexpr size_t kMostRows = 2048;
constexpr size_t kLengths[] = {16, 128, 512, 2048, 8192};
constexpr size_t kLongest = 8192;
constexpr size_t kHeads = 16, kHeadSize = 64;
constexpr size_t kColdBytes = size_t{320} << 20;

size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

void fill(View<float> x) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (size_t i = 0; i < x.rows; i++) std::generate_n(x.row(i), x.columns, [&] { return uniform(generator); });
}

// Bytes that hand out stretches of themselves round and round. Their pairs are the upper halves of f32 values: numbers
// of ordinary size whatever type they are read as.
class ColdBytes {
 public:
  ColdBytes() : bytes_(kColdBytes) {
    std::mt19937 generator(1);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (size_t i = 0; i < bytes_.size(); i += 2) {
      const float value = uniform(generator);
      std::memcpy(&bytes_[i], reinterpret_cast<const std::byte*>(&value) + 2, 2);
    }
  }
  const std::byte* next(size_t bytes) {
    const size_t rounded = round_up(bytes, 4096);
    if (at_ + rounded > bytes_.size()) at_ = 0;
    at_ += rounded;
    return bytes_.data() + at_ - rounded;
  }

 private:
  AlignedBuffer<std::byte> bytes_;
  size_t at_ = 0;
};

class Kernels {
 public:
  Kernels(const Ops& ops, int threads) : ops_(ops), pool_(threads) {
    fill(query_key_value_.rows(kLongest));
    for (int i = 0; i < threads; i++) scratch_.emplace_back(attention_scratch(kLongest, kHeadSize));
    for (const size_t columns : {1024, 3072, 4096}) {
      inputs_.emplace(columns, Matrix(kMostRows, columns));
      outputs_.emplace(columns, Matrix(kMostRows, columns));
      fill(inputs_.at(columns).rows(kMostRows));
    }
    for (const Shape& shape : kShapes)
      for (const size_t rows : kRows) add_products(shape, rows);
    for (const size_t length : kLengths) add_attention(length);
  }

  std::deque<Contender>& contenders() { return contenders_; }

 private:
  void add_products(const Shape& shape, size_t rows);
  void add_attention(size_t length);
  // Runs a product as the encoder does: cut into tasks of some rows by some panels.
  void multiply(const Product& product);

  const Ops& ops_;
  ThreadPool pool_;
  ColdBytes weights_;
  std::map<size_t, Matrix> inputs_, outputs_;  // by columns, kMostRows rows
  std::map<size_t, std::deque<PackedWeights>> packed_;
  Matrix query_key_value_{kLongest, 3 * kHeads*kHeadSize}, context_{kLongest, kHeads*kHeadSize};
  std::vector<AlignedBuffer<float>> scratch_;  // of attention, one for each thread
  std::deque<Contender> contenders_;
};

void Kernels::multiply(const Product& product) {
  constexpr size_t kTaskRows = 96, kTasksPerThread = 16;
  const size_t rows = product.x.rows, panels = product.weights->panels(), row_blocks = divide_up(rows, kTaskRows);
  const size_t wanted = divide_up(kTasksPerThread * static_cast<size_t>(pool_.threads()), row_blocks);
  const size_t panel_blocks = std::min(wanted, panels);
  pool_.parallel_for(static_cast<int>(row_blocks * panel_blocks), [&](int task, int) {
    const FloatMode mode;
    const size_t index = static_cast<size_t>(task), row = index / panel_blocks * kTaskRows,
                 block = index % panel_blocks;
    ops_.multiply(product, row, std::min(row + kTaskRows, rows), panels * block / panel_blocks,
                  panels * (block + 1) / panel_blocks);
  });
}

void Kernels::add_products(const Shape& shape, size_t rows) {
  const double operations = 2.0 * static_cast<double>(rows * shape.columns * shape.depth);
  const auto facts = [&](std::string_view engine, std::string_view dtype, std::string_view type, size_t weight_bytes) {
    return fmt::format(R"("group": "product", "dtype": "{}", "weight_type": "{}", "columns": {}, "depth": {}, )"
                       R"("rows": {}, "engine": "{}", "operations": {:.0f}, "weight_bytes": {})",
                       dtype, type, shape.columns, shape.depth, rows, engine, operations, weight_bytes);
  };
  std::deque<PackedWeights>& packed = packed_[shape.columns * 8192 + shape.depth];
  if (packed.empty()) {
    Matrix w(shape.columns, shape.depth);
    fill(w.rows(shape.columns));
    const std::vector<float> bias(shape.columns);
    for (size_t bytes = 0; bytes < kColdBytes; bytes += 4 * shape.columns * shape.depth) {
      packed.emplace_back(shape.columns, shape.depth);
      packed.back().pack(0, w.rows(shape.columns), bias);
    }
  }
  contenders_.push_back({facts("bgem3", "f32", "f32", 4 * shape.columns * shape.depth), "op/s",
                         [this, shape, rows, operations, &packed, at = size_t{0}]() mutable {
                           multiply({inputs_.at(shape.depth).rows(rows),
                                     &packed[at++ % packed.size()],
                                     Epilogue::bias,
                                     {},
                                     outputs_.at(shape.columns).rows(rows)});
                           return operations;
                         }});
  for (const auto& [dtype, type] : {std::pair{"f32", "f32"}, {"bf16", "bf16"}, {"int8", "s8"}}) {
    const auto peer = onednn_product(dtype, rows, shape.columns, shape.depth, pool_.threads());
    if (!peer) continue;
    contenders_.push_back({facts("oneDNN", dtype, type, peer->weight_bytes), "op/s", [this, operations, peer = *peer] {
                             peer.run(weights_.next(peer.weight_bytes));
                             return operations;
                           }});
  }
}

void Kernels::add_attention(size_t length) {
  const size_t hidden = kHeads * kHeadSize;
  const double operations = 4.0 * static_cast<double>(hidden * length * length);
  contenders_.push_back(
      {fmt::format(R"("group": "attention", "dtype": "f32", "length": {}, "operations": {:.0f})", length, operations),
       "op/s", [this, length, operations] {
         const View<float> all = query_key_value_.rows(length), out = context_.rows(length);
         const size_t blocks = divide_up(length, kQueryBlock);
         pool_.parallel_for(static_cast<int>(blocks * kHeads), [&](int task, int thread) {
           const FloatMode mode;
           const size_t first = static_cast<size_t>(task) / kHeads * kQueryBlock;
           const size_t column = static_cast<size_t>(task) % kHeads * kHeadSize;
           const size_t queries = std::min(kQueryBlock, length - first);
           AlignedBuffer<float>& scratch = scratch_[static_cast<size_t>(thread)];
           ops_.attention({.queries = all.columns_at(column, kHeadSize).rows_at(first, queries),
                           .keys = all.columns_at(hidden + column, kHeadSize),
                           .values = all.columns_at(2 * hidden + column, kHeadSize),
                           .scale = 1 / std::sqrt(static_cast<float>(kHeadSize)),
                           .out = out.columns_at(column, kHeadSize).rows_at(first, queries),
                           .scratch = {scratch.data(), scratch.size()}});
         });
         return operations;
       }});
}

}  // namespace

void bench_kernels(const Ops& ops, int threads, std::span<Contender* const> peaks, int rounds) {
  Kernels kernels(ops, threads);
  std::vector<Contender*> all(peaks.begin(), peaks.end());
  for (Contender& contender : kernels.contenders()) all.push_back(&contender);
  measure(all, rounds);
  for (const Contender& contender : kernels.contenders()) print_row(contender);
}

}  // namespace bgem3::bench
