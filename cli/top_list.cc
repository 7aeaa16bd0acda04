#include "top_list.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bgem3::cli {

namespace {

bool better(const Hit& a, const Hit& b) { return a.score != b.score ? a.score > b.score : a.row < b.row; }

}  // namespace

bool TopList::wants(double score, size_t row) const {
  if (heap_.size() < limit_) return true;
  const Hit& worst = heap_.front();
  return score != worst.score ? score > worst.score : row < worst.row;
}

void TopList::add(Hit hit) {
  if (!wants(hit.score, hit.row)) return;
  if (heap_.size() == limit_) {
    std::pop_heap(heap_.begin(), heap_.end(), better);
    heap_.pop_back();
  }
  heap_.push_back(std::move(hit));
  std::push_heap(heap_.begin(), heap_.end(), better);
}

std::vector<Hit> TopList::take() {
  std::sort_heap(heap_.begin(), heap_.end(), better);
  return std::exchange(heap_, {});
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0, a_squared = 0, b_squared = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    dot += x * y;
    a_squared += x * x;
    b_squared += y * y;
  }
  const double lengths = std::sqrt(a_squared) * std::sqrt(b_squared);
  return lengths > 0 ? dot / lengths : 0;
}

}  // namespace bgem3::cli
