// An array that never changes, wherever it lives.
#pragma once

#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace bgem3 {

// Values of its own, or values in bytes that `owner` keeps alive: a compiled tokenizer's, mapped from a file. Copies
// share them.
template <typename T>
class FrozenArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  FrozenArray() = default;
  explicit FrozenArray(std::vector<T> values) {
    const auto own = std::make_shared<const std::vector<T>>(std::move(values));
    values_ = *own;
    owner_ = own;
  }
  FrozenArray(std::span<const T> values, std::shared_ptr<const void> owner)
      : values_(values), owner_(std::move(owner)) {}

  const T& operator[](size_t i) const { return values_[i]; }
  size_t size() const { return values_.size(); }
  std::span<const T> values() const { return values_; }

 private:
  std::span<const T> values_;
  std::shared_ptr<const void> owner_;
};

}  // namespace bgem3
