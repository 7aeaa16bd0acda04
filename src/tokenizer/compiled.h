// A tokenizer as bytes that need no parsing: the large arrays are used where they lie, in a mapped file. Start at
// CompiledTokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "bgem3/tokenizer.h"
#include "tokenizer/tokenizer_json.h"

namespace bgem3 {

struct CompiledTokenizer {
  // The compiled form. Equal tokenizers give equal bytes.
  static std::string make(const Tokenizer& tokenizer);

  // The tokenizer that was compiled. The bytes must start at a multiple of 8; `owner` keeps them alive, `name` stands
  // for them in messages. Any bytes may be given. Throws ModelLoadingError (corrupt). Cost: a few milliseconds for
  // bge-m3.
  static Tokenizer read(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string_view name);
};

// The same for the parts of a tokenizer.
std::string compile(const TokenizerParts& parts);
TokenizerParts read_compiled(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                             std::string_view name);

}  // namespace bgem3
