#include "tokenizer/unigram_reference.h"

#include <algorithm>
#include <map>

#include "tokenizer/utf8.h"

namespace bgem3 {

std::vector<Token> unigram_reference(const std::vector<std::string>& pieces, const std::vector<double>& scores,
                                     uint32_t unknown_id, std::string_view word) {
  std::map<std::string, uint32_t, std::less<>> ids;
  size_t longest = 0;
  for (uint32_t id = 0; id < pieces.size(); ++id) {
    ids[pieces[id]] = id;
    longest = std::max(longest, pieces[id].size());
  }
  const double unknown_score = *std::min_element(scores.begin(), scores.end()) - 10;
  struct Best {
    double score = 0;
    Token last{0, 0, 0};
    bool reached = false;
  };
  std::vector<Best> best(word.size() + 1);
  for (size_t begin = 0; begin < word.size(); begin += utf8::length(word[begin])) {
    const size_t next = begin + utf8::length(word[begin]);
    const auto offer = [&](double score, uint32_t id, size_t end) {
      const double sum = best[begin].score + score;
      if (!best[end].reached || sum > best[end].score) best[end] = {sum, {id, begin, end}, true};
    };
    for (size_t end = begin + 1; end <= std::min(word.size(), begin + longest); ++end) {
      const auto found = ids.find(word.substr(begin, end - begin));
      if (found != ids.end()) offer(scores[found->second], found->second, end);
    }
    if (!ids.contains(word.substr(begin, next - begin))) offer(unknown_score, unknown_id, next);
  }
  std::vector<Token> tokens;  // from the end of the word
  for (size_t end = word.size(); end > 0; end = best[end].last.begin) {
    const Token token = best[end].last;
    const bool fused = token.id == unknown_id && !tokens.empty() && tokens.back().id == unknown_id;
    if (fused)
      tokens.back().begin = token.begin;
    else
      tokens.push_back(token);
  }
  std::reverse(tokens.begin(), tokens.end());
  for (Token& token : tokens) {
    const auto found = ids.find(word.substr(token.begin, token.end - token.begin));
    token.id = found == ids.end() ? unknown_id : found->second;
  }
  return tokens;
}

}  // namespace bgem3
