// The strings of a model's vocabulary by id.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/frozen_array.h"

namespace bgem3 {

// Ids may have gaps (WordPiece). Immutable.
class Vocabulary {
 public:
  // Where a string stands in the text of all.
  struct Place {
    uint32_t begin = 0;
    uint32_t size = kGap;
  };

  Vocabulary() = default;
  // The strings must have less than 4 GiB together.
  explicit Vocabulary(const std::vector<std::optional<std::string>>& strings);
  // A vocabulary that was taken apart. Call is_sound() if the arrays come from outside.
  Vocabulary(FrozenArray<Place> places, FrozenArray<char> text) : places_(std::move(places)), text_(std::move(text)) {}
  bool is_sound() const;

  std::span<const Place> places() const { return places_.values(); }
  std::span<const char> text() const { return text_.values(); }

  // One more than the largest id.
  size_t size() const { return places_.size(); }
  // Requires: id < size().
  std::optional<std::string_view> operator[](size_t id) const {
    const Place place = places_[id];
    if (place.size == kGap) return std::nullopt;
    return std::string_view(text_.values().data() + place.begin, place.size);
  }

 private:
  static constexpr uint32_t kGap = UINT32_MAX;
  FrozenArray<Place> places_;
  FrozenArray<char> text_;
};

}  // namespace bgem3
