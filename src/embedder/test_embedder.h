// What the tests of the engine share: texts, a tiny model to open, comparisons. Start at EmbedderTest.
#pragma once

#include <cstring>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bgem3/embedder.h"
#include "embedder/test_model.h"

namespace bgem3 {

inline constexpr Outputs kAll = {.sparse = true, .multi = true};

// What the call's error says.
template <typename Error>
std::string message_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

inline std::vector<std::string> many_texts(size_t count = 60) {
  std::mt19937 generator(3);
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; i++) {
    std::string& text = texts.emplace_back();
    for (size_t words = generator() % 40; words > 0; words--) {
      text += static_cast<char>('a' + generator() % 26);
      text += ' ';
    }
  }
  return texts;
}

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

class EmbedderTest : public testing::Test {
 protected:
  Embedder open(OpenOptions options = {}) const {
    options.model = model_.folder();
    options.cache_dir = model_.folder() + "/cache";
    return Embedder::open(options);
  }
  TestModel model_;
};

class EmbedderDtypeTest : public EmbedderTest, public testing::WithParamInterface<const char*> {};

}  // namespace bgem3
