#include "verify/tokenizer_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/sha256.h"
#include "model/messages.h"
#include "verify/tokenizer_cases.h"

namespace bgem3 {
namespace {

std::string ids_text(const std::vector<uint32_t>& ids) { return fmt::format("{}", fmt::join(ids, " ")); }

std::string vocabulary_hash(const Tokenizer& tokenizer) {
  Sha256 hash;
  for (uint32_t id = 0; id < tokenizer.vocab_size(); id++) {
    const std::string_view token = tokenizer.token(id);
    hash.add(std::as_bytes(std::span(token)));
    const Encoding encoding = tokenizer.encode(token);
    hash.add(std::as_bytes(std::span(encoding.ids)));
  }
  return hash.hex();
}

}  // namespace

void check_tokenizer(const Tokenizer& tokenizer, bool published, Checks& checks) {
  const bool has_vocabulary = tokenizer.kind() == "unigram" && tokenizer.vocab_size() == kPublishedTokens;
  if (published) {
    checks.equal("tokens", fmt::format("unigram, {}", kPublishedTokens),
                 fmt::format("{}, {}", tokenizer.kind(), tokenizer.vocab_size()));
  } else if (!has_vocabulary) {
    checks.add("ids", Outcome::skipped, "no ids are built in for this tokenizer, only for bge-m3's");
    return;
  }
  for (const TokenizerCase& one : tokenizer_cases()) {
    if (!published && !one.plain) continue;
    checks.equal(fmt::format("ids of {}", quote(one.text)), ids_text(one.ids),
                 ids_text(tokenizer.encode(one.text).ids));
  }
  if (published) {
    checks.equal("every token and its ids, hashed", std::string(kPublishedVocabularyHash), vocabulary_hash(tokenizer));
  }
}

}  // namespace bgem3
