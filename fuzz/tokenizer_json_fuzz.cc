// Any bytes as a tokenizer.json: it is refused with ModelLoadingError, or it tokenizes.
#include <cstdint>
#include <string_view>

#include "bgem3/error.h"
#include "bgem3/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bgem3;
  try {
    const Tokenizer tokenizer = Tokenizer::from_json({reinterpret_cast<const char*>(data), size}, "tokenizer.json");
    for (const std::string_view text :
         {"", "a", " Hello  wörld <s> [SEP]\n", "e\u0301\u0323 ｶﾞ 中文 \u1112\u1161\u11AB"}) {
      const Encoding encoding = tokenizer.encode(text);
      tokenizer.decode(encoding.ids, false);
    }
  } catch (const ModelLoadingError&) {
  }
  return 0;
}
