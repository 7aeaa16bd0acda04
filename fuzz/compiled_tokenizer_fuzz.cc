// Any bytes as a compiled tokenizer: refused with ModelLoadingError, or it tokenizes without leaving them.
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "bgem3/error.h"
#include "tokenizer/compiled.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bgem3;
  const auto words = std::make_shared<std::vector<uint64_t>>(size / sizeof(uint64_t));
  std::memcpy(words->data(), data, words->size() * sizeof(uint64_t));
  try {
    const Tokenizer tokenizer = CompiledTokenizer::read(std::as_bytes(std::span(*words)), words, "input");
    for (const std::string_view text : {"", "a", " Hello  wörld <s> [SEP]\n", "e\u0301\u0323 ｶﾞ 中文"}) {
      tokenizer.decode(tokenizer.encode(text).ids, false);
    }
  } catch (const ModelLoadingError&) {
  }
  return 0;
}
