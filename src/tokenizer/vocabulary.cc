#include "tokenizer/vocabulary.h"

#include <algorithm>

#include "base/error.h"

namespace bgem3 {

Vocabulary::Vocabulary(const std::vector<std::optional<std::string>>& strings) {
  std::vector<Place> places;
  std::vector<char> text;
  places.reserve(strings.size());
  for (const auto& string : strings) {
    Place& place = places.emplace_back();
    if (!string) continue;
    BGEM3_CHECK(string->size() < kGap - text.size());
    place = {static_cast<uint32_t>(text.size()), static_cast<uint32_t>(string->size())};
    text.insert(text.end(), string->begin(), string->end());
  }
  places_ = FrozenArray(std::move(places));
  text_ = FrozenArray(std::move(text));
}

bool Vocabulary::is_sound() const {
  return std::ranges::all_of(places_.values(), [&](const Place& place) {
    return place.size == kGap || uint64_t{place.begin} + place.size <= text_.size();
  });
}

}  // namespace bgem3
