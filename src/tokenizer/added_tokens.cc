#include "tokenizer/added_tokens.h"

#include <algorithm>
#include <functional>

#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

// Where the character that ends at `end` begins.
size_t character_before(std::string_view text, size_t end) {
  do {
    --end;
  } while (!utf8::is_boundary(text, end));
  return end;
}

bool word_character_touches(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && unicode::is(unicode::kWord, utf8::decode(text, character_before(text, begin)).value)) return true;
  return end < text.size() && unicode::is(unicode::kWord, utf8::decode(text, end).value);
}

size_t white_space_before(std::string_view text, size_t begin) {
  while (begin > 0) {
    const size_t before = character_before(text, begin);
    if (!unicode::is(unicode::kWhiteSpace, utf8::decode(text, before).value)) break;
    begin = before;
  }
  return begin;
}

size_t white_space_after(std::string_view text, size_t end) {
  while (end < text.size()) {
    const auto next = utf8::decode(text, end);
    if (!unicode::is(unicode::kWhiteSpace, next.value)) break;
    end += next.length;
  }
  return end;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(const std::vector<const AddedToken*>& tokens,
                                     const std::vector<std::string>& patterns) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    entries_[static_cast<unsigned char>(patterns[i][0])].push_back({patterns[i], tokens[i]});
  }
  for (std::vector<Entry>& entries : entries_) {
    std::ranges::stable_sort(entries, std::ranges::greater(), [](const Entry& entry) { return entry.pattern.size(); });
  }
  empty_ = tokens.empty();
}

std::optional<AddedTokenMatcher::Match> AddedTokenMatcher::match(std::string_view text, size_t at) const {
  const std::string_view rest = text.substr(at);
  for (const Entry& entry : entries_[static_cast<unsigned char>(rest[0])]) {
    if (rest.starts_with(entry.pattern)) return Match{entry.pattern.size(), entry.token};
  }
  return std::nullopt;
}

void AddedTokenMatcher::split(std::string_view text, bool escape_special, std::vector<AddedTokenPiece>& pieces) const {
  size_t done = 0;
  for (size_t at = empty_ ? text.size() : 0; at < text.size();) {
    if (entries_[static_cast<unsigned char>(text[at])].empty()) {
      ++at;
      continue;
    }
    const auto found = match(text, at);
    if (!found) {
      ++at;
      continue;
    }
    size_t begin = at;
    at += found->size;
    size_t end = at;
    const AddedToken& token = *found->token;
    if (token.special && escape_special) continue;
    if (token.single_word && word_character_touches(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(white_space_before(text, begin), done);
    if (token.rstrip) end = white_space_after(text, end);
    if (done < begin) pieces.push_back({done, begin, nullptr});
    pieces.push_back({begin, end, &token});
    done = end;
  }
  if (done < text.size()) pieces.push_back({done, text.size(), nullptr});
}

}  // namespace bgem3
