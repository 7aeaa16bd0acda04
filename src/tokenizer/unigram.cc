#include "tokenizer/unigram.h"

#include <algorithm>

#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

constexpr double kUnknownPenalty = 10;

// A stretch is cut only when it is this long: shorter ones cost less as a whole.
constexpr size_t kCutBytes = 1024;

// Of the pieces, and of any one character.
size_t longest(const std::vector<std::string>& pieces) {
  size_t bytes = 4;
  for (const std::string& piece : pieces) bytes = std::max(bytes, piece.size());
  return bytes;
}

constexpr uint32_t kUnknownRank = UINT32_MAX;

}  // namespace

Unigram::Unigram(const std::vector<std::string>& pieces, const std::vector<double>& scores, uint32_t unknown_id)
    : Unigram() {
  const std::vector<std::string_view> strings(pieces.begin(), pieces.end());
  std::vector<std::string_view> sorted;
  std::vector<uint32_t> ids, ranks;
  std::vector<double> scores_by_rank;
  for (const size_t id : sorted_order(strings)) {
    sorted.push_back(strings[id]);
    ranks.push_back(static_cast<uint32_t>(ids.size()));
    ids.push_back(static_cast<uint32_t>(id));
    scores_by_rank.push_back(scores[id]);
  }
  ids_ = FrozenArray(std::move(ids));
  scores_ = FrozenArray(std::move(scores_by_rank));
  unknown_score_ = *std::min_element(scores.begin(), scores.end()) - kUnknownPenalty;
  unknown_id_ = unknown_id;
  longest_piece_ = longest(pieces);
  trie_ = Trie(sorted, ranks);
}

std::optional<uint32_t> Unigram::find(std::string_view piece) const {
  const auto rank = trie_.find(piece);
  return rank ? std::optional(ids_[*rank]) : std::nullopt;
}

// Appends tokens in the order of the word, and makes one of neighbouring unknown ones.
class Unigram::TokenWriter {
 public:
  TokenWriter(const Unigram& model, std::string_view word, const uint8_t* excluded, std::vector<Token>& tokens)
      : model_(model), word_(word), excluded_(excluded), tokens_(tokens) {}

  void write(uint32_t id, size_t begin, size_t end) {
    if (id == model_.unknown_id_ && in_unknown_) {
      tokens_.back().end = end;
      return;
    }
    finish_unknown();
    in_unknown_ = id == model_.unknown_id_;
    tokens_.push_back({id, begin, end});
  }

  // A run of unknown characters may be a piece whose score is so bad that its characters were preferred.
  void finish_unknown() {
    if (!in_unknown_) return;
    Token& token = tokens_.back();
    const auto id = model_.find(word_.substr(token.begin, token.end - token.begin));
    if (id && !(excluded_ && excluded_[*id])) token.id = *id;
    in_unknown_ = false;
  }

 private:
  const Unigram& model_;
  const std::string_view word_;
  const uint8_t* excluded_;
  std::vector<Token>& tokens_;
  bool in_unknown_ = false;
};

void Unigram::encode(std::string_view word, size_t limit, const uint8_t* excluded, Workspace& workspace,
                     std::vector<Token>& tokens) const {
  // best[i]: the place `cut + i`. All ways through the word pass the place `cut`.
  std::vector<Workspace::Best>& best = workspace.best;
  std::vector<Token>& reversed = workspace.reversed;
  TokenWriter writer(*this, word, excluded, tokens);
  size_t cut = 0;
  size_t reach = 0;  // the furthest place reached so far, from the cut
  best.assign(std::min(word.size(), kCutBytes + longest_piece_) + 1, {0, 0, 0});
  const auto offer = [&](size_t place, double score, uint32_t rank, size_t size) {
    Workspace::Best& there = best[place];
    if (there.size == 0 || score > there.score) there = {score, rank, static_cast<uint32_t>(size)};
    reach = std::max(reach, place);
  };
  const auto write_until = [&](size_t place) {
    reversed.clear();
    for (size_t end = place; end > 0; end -= best[end].size) {
      const uint32_t rank = best[end].rank;
      reversed.push_back({rank == kUnknownRank ? unknown_id_ : ids_[rank], cut + end - best[end].size, cut + end});
    }
    for (size_t i = reversed.size(); i > 0; --i) {
      writer.write(reversed[i - 1].id, reversed[i - 1].begin, reversed[i - 1].end);
    }
  };

  for (size_t at = 0; at < word.size();) {
    size_t here = at - cut;
    if (here == reach && reach >= kCutBytes) {
      write_until(reach);
      if (tokens.size() > limit) return;
      best[0] = best[reach];
      std::fill_n(best.begin() + 1, reach, Workspace::Best{0, 0, 0});
      cut = at;
      reach = here = 0;
    }
    const size_t furthest = here + std::min(longest_piece_, word.size() - at);
    if (best.size() <= furthest) best.resize(std::max(2 * best.size(), furthest + 1), {0, 0, 0});
    const double score_here = best[here].score;
    const size_t character_size = utf8::length(word[at]);
    bool character_known = false;
    const Trie::Node* node = &trie_.root();
    for (size_t size = 1; here + size <= furthest; ++size) {
      node = trie_.step(*node, word[at + size - 1]);
      if (!node) break;
      const uint32_t rank = node->id();
      if (rank == Trie::kNoId || (excluded && excluded[ids_[rank]])) continue;
      offer(here + size, scores_[rank] + score_here, rank, size);
      character_known |= size == character_size;
    }
    if (!character_known) offer(here + character_size, unknown_score_ + score_here, kUnknownRank, character_size);
    at += character_size;
  }
  write_until(reach);
  writer.finish_unknown();
}

}  // namespace bgem3
