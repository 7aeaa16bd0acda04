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

// How often one job does a thing: a pass has a hundred products, which hide the time to start a job.
size_t repeats_of(double operations) { return static_cast<size_t>(std::max(1.0, 1e9 / operations)); }

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

// The types of a product: what its activations are called, and its weights.
struct Types {
  WeightType weights;
  std::string_view dtype, weight_type;
  size_t weight_bytes;  // of one
};
constexpr Types kTypes[] = {{WeightType::f32, "f32", "f32", 4},
                            {WeightType::f16, "f32", "f16", 2},
                            {WeightType::bf16, "bf16", "bf16", 2},
                            {WeightType::s8, "int8", "s8", 1}};

// Activations of kMostRows rows in every type.
class Activations {
 public:
  Activations(size_t columns, const Ops& ops)
      : f32_(kMostRows, columns),
        bf16_(kMostRows, columns),
        u8_(kMostRows, columns),
        scales_(kMostRows),
        zeros_(kMostRows) {
    fill(f32(kMostRows));
    ops.round_rows(f32(kMostRows), bf16(kMostRows));
    ops.quantize_f32(f32(kMostRows), u8(kMostRows));
  }
  View<float> f32(size_t rows) { return f32_.rows(rows); }
  View<BFloat16> bf16(size_t rows) { return bf16_.rows(rows); }
  QuantizedRows u8(size_t rows) { return {u8_.rows(rows), scales_.data(), zeros_.data()}; }

 private:
  Matrix<float> f32_;
  Matrix<BFloat16> bf16_;
  Matrix<uint8_t> u8_;
  AlignedBuffer<float> scales_;
  AlignedBuffer<int32_t> zeros_;
};

class Kernels {
 public:
  Kernels(const Ops& ops, int threads) : ops_(ops), pool_(threads) {
    for (const size_t columns : {1024, 3072, 4096}) {
      inputs_.emplace(columns, Activations(columns, ops));
      outputs_.emplace(columns, Activations(columns, ops));
    }
    const size_t attention = AttentionScratch<float>({}, kLongest, kHeadSize).size;
    for (int i = 0; i < threads; i++) scratch_.emplace_back(std::max(attention, kProductScratch));
    fill(query_key_value_.rows(kLongest));
    ops.round_rows(query_key_value_.rows(kLongest), query_key_value16_.rows(kLongest));

    for (const Shape& shape : kShapes) {
      for (const size_t rows : kRows) {
        for (const Types& types : kTypes) add_products(shape, rows, types);
      }
    }
    for (const size_t length : kLengths) {
      add_attention<float>("f32", length, query_key_value_, context_, ops.attention_f32);
      add_attention<BFloat16>("bf16", length, query_key_value16_, context16_, ops.attention_bf16);
    }
  }

  std::deque<Contender>& contenders() { return contenders_; }

 private:
  void add_products(const Shape& shape, size_t rows, const Types& types);
  template <typename T>
  void add_attention(std::string_view dtype, size_t length, Matrix<T>& query_key_value, Matrix<T>& context,
                     void (*kernel)(const Attention<T>&));
  void multiply(const Product& product, size_t rows, Team& team);

  std::span<float> scratch(int thread) {
    AlignedBuffer<float>& buffer = scratch_[static_cast<size_t>(thread)];
    return {buffer.data(), buffer.size()};
  }

  const Ops& ops_;
  ThreadPool pool_;
  ColdBytes weights_;
  std::map<size_t, Activations> inputs_, outputs_;  // by columns
  Matrix<float> query_key_value_{kLongest, 3 * kHeads*kHeadSize}, context_{kLongest, kHeads*kHeadSize};
  Matrix<BFloat16> query_key_value16_{kLongest, 3 * kHeads*kHeadSize}, context16_{kLongest, kHeads*kHeadSize};
  std::vector<AlignedBuffer<float>> scratch_;  // one for each thread
  std::deque<Contender> contenders_;
};

void Kernels::multiply(const Product& product, size_t rows, Team& team) {
  const ProductTasks tasks(rows, 0, product.weights->panels(), team.threads());
  team.parallel_for(tasks.count(), [&](size_t index, int thread) {
    const FloatMode mode;
    ops_.multiply(product, tasks[index], scratch(thread));
  });
}

void Kernels::add_products(const Shape& shape, size_t rows, const Types& types) {
  const double operations = 2.0 * static_cast<double>(rows * shape.columns * shape.depth);
  const auto facts = [&](std::string_view engine) {
    return fmt::format(R"("group": "product", "dtype": "{}", "weight_type": "{}", "columns": {}, "depth": {}, )"
                       R"("rows": {}, "engine": "{}", "operations": {:.0f}, "weight_bytes": {})",
                       types.dtype, types.weight_type, shape.columns, shape.depth, rows, engine, operations,
                       types.weight_bytes * shape.columns * shape.depth);
  };
  Activations &x = inputs_.at(shape.depth), &y = outputs_.at(shape.columns);
  Product product = {.x = x.f32(rows), .x16 = x.bf16(rows), .x8 = x.u8(rows)};
  // The encoder keeps what goes from layer to layer in f32, and the rest in 16 bits where the inputs have no more.
  if (types.dtype != "f32" && shape.columns > 1024)
    product.y16 = y.bf16(rows);
  else
    product.y = y.f32(rows);
  const size_t repeats = repeats_of(operations);
  contenders_.push_back(
      {facts("bgem3"), "op/s", [this, shape, rows, types, operations, product, repeats]() mutable {
         const size_t bytes = packed_bytes(types.weights, shape.columns, shape.depth);
         pool_.run(JobKind::all, [&](Team& team) {
           for (size_t i = 0; i < repeats; i++) {
             const PackedWeights weights{types.weights, shape.columns, shape.depth, weights_.next(bytes)};
             product.weights = &weights;
             multiply(product, rows, team);
           }
         });
         return operations * static_cast<double>(repeats);
       }});
  if (types.weights == WeightType::f16) return;  // oneDNN's product of f32 stands beside both
  const auto peer = onednn_product(types.dtype, rows, shape.columns, shape.depth, pool_.threads());
  if (!peer) return;
  contenders_.push_back({facts("oneDNN"), "op/s", [this, operations, repeats, peer = *peer] {
                           for (size_t i = 0; i < repeats; i++) peer.run(weights_.next(peer.weight_bytes));
                           return operations * static_cast<double>(repeats);
                         }});
}

template <typename T>
void Kernels::add_attention(std::string_view dtype, size_t length, Matrix<T>& query_key_value, Matrix<T>& context,
                            void (*kernel)(const Attention<T>&)) {
  constexpr size_t hidden = kHeads * kHeadSize;
  const double operations = 4.0 * static_cast<double>(hidden * length * length);
  const View<T> all = query_key_value.rows(length), out = context.rows(length);
  const size_t repeats = repeats_of(operations);
  const auto run = [this, length, all, out, kernel](Team& team) {
    team.parallel_for(divide_up(length, kQueryBlock) * kHeads, [&](size_t index, int thread) {
      const FloatMode mode;
      const size_t first = index / kHeads * kQueryBlock, queries = std::min(kQueryBlock, length - first);
      const size_t column = index % kHeads * kHeadSize;
      kernel({.queries = all.rows_at(first, queries).columns_at(column, kHeadSize),
              .keys = all.columns_at(hidden + column, kHeadSize),
              .values = all.columns_at(2 * hidden + column, kHeadSize),
              .scale = 1 / std::sqrt(static_cast<float>(kHeadSize)),
              .out = out.rows_at(first, queries).columns_at(column, kHeadSize),
              .scratch = scratch(thread)});
    });
  };
  contenders_.push_back({fmt::format(R"("group": "attention", "dtype": "{}", "length": {}, "operations": {:.0f})",
                                     dtype, length, operations),
                         "op/s", [this, run, operations, repeats] {
                           pool_.run(JobKind::all, [&](Team& team) {
                             for (size_t i = 0; i < repeats; i++) run(team);
                           });
                           return operations * static_cast<double>(repeats);
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
