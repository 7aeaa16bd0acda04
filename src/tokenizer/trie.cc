#include "tokenizer/trie.h"

#include <algorithm>

namespace bgem3 {

namespace {

uint64_t first_bytes(std::string_view text) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < sizeof bytes; ++i) {
    bytes = bytes << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0);
  }
  return bytes;
}

}  // namespace

std::vector<size_t> sorted_order(const std::vector<std::string_view>& strings) {
  // The first bytes as a number decide most comparisons without a look at the strings.
  std::vector<std::pair<uint64_t, size_t>> keys;
  keys.reserve(strings.size());
  for (size_t i = 0; i < strings.size(); ++i) {
    if (!strings[i].empty()) keys.emplace_back(first_bytes(strings[i]), i);
  }
  std::ranges::sort(keys, [&](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first < b.first;
    const int order = strings[a.second].compare(strings[b.second]);
    return order != 0 ? order < 0 : a.second < b.second;
  });
  std::vector<size_t> order;
  order.reserve(keys.size());
  for (const auto& [bytes, i] : keys) order.push_back(i);
  return order;
}

// Places the nodes, parents before children. Free places are kept in a ring; only the last blocks of 256 take part, so
// that finding a place takes constant time, and the few that stay free before are given up.
class Trie::Builder {
 public:
  Builder(const std::vector<std::string_view>& strings, const std::vector<uint32_t>& ids)
      : strings_(strings), ids_(ids), order_(sorted_order(strings)) {}

  Trie build() && {
    nodes_.resize(kBlock);  // stays free: nodes without children have base 0
    used_base_.resize(kBlock);
    next_.resize(kBlock);
    previous_.resize(kBlock);
    std::vector<Group> groups;
    groups.push_back({0, order_.size(), 0, kRoot});
    while (!groups.empty()) {
      const Group group = groups.back();
      groups.pop_back();
      place_children(group, groups);
    }
    nodes_.shrink_to_fit();
    return from_nodes(root_, FrozenArray(std::move(nodes_)));
  }

 private:
  static constexpr uint32_t kOpenBlocks = 16;
  static constexpr uint32_t kRoot = UINT32_MAX;  // in place of an index into nodes_

  // The strings order_[begin, end) share their first `depth` bytes, which lead to `node`.
  struct Group {
    size_t begin;
    size_t end;
    size_t depth;
    uint32_t node;
  };

  void place_children(Group group, std::vector<Group>& groups) {
    for (; group.begin < group.end && strings_[order_[group.begin]].size() == group.depth; ++group.begin) {
      uint32_t& id = nodes_[group.node].label_and_id_;
      id = (id & ~kNoId) | ids_[order_[group.begin]];
    }
    children_.clear();
    for (size_t i = group.begin; i < group.end;) {
      const char label = strings_[order_[i]][group.depth];
      const size_t begin = i;
      while (i < group.end && strings_[order_[i]][group.depth] == label) ++i;
      children_.push_back({static_cast<unsigned char>(label), begin, i});
    }
    if (children_.empty()) return;
    const uint32_t base = find_base();
    (group.node == kRoot ? root_ : nodes_[group.node]).base_ = base;
    used_base_[base] = true;
    for (const Child& child : children_) {
      const uint32_t place = base ^ child.label;
      unlink(place);
      nodes_[place].label_and_id_ = static_cast<uint32_t>(child.label) << 23 | kNoId;
      groups.push_back({child.begin, child.end, group.depth + 1, place});
    }
  }

  // A base that no node has, under which the places of all children_ are free.
  uint32_t find_base() {
    for (uint32_t place = first_free_; place != kNone; place = next_[place]) {
      const uint32_t base = place ^ children_[0].label;
      if (used_base_[base]) continue;
      const bool fits = std::ranges::all_of(
          children_, [&](const Child& child) { return nodes_[base ^ child.label].label_and_id_ == kFree; });
      if (fits) return base;
    }
    const uint32_t block = static_cast<uint32_t>(nodes_.size());
    add_block();
    return block ^ children_[0].label;
  }

  void add_block() {
    const uint32_t begin = static_cast<uint32_t>(nodes_.size());
    nodes_.resize(begin + kBlock);
    used_base_.resize(begin + kBlock);
    next_.resize(begin + kBlock);
    previous_.resize(begin + kBlock);
    if (begin > kOpenBlocks * kBlock) {
      const uint32_t old = begin - kOpenBlocks * kBlock;
      for (uint32_t place = old; place < old + kBlock; ++place) {
        if (nodes_[place].label_and_id_ == kFree) unlink(place);
      }
    }
    for (uint32_t place = begin; place < begin + kBlock; ++place) {
      previous_[place] = last_free_;
      next_[place] = kNone;
      (last_free_ == kNone ? first_free_ : next_[last_free_]) = place;
      last_free_ = place;
    }
  }

  void unlink(uint32_t place) {
    (previous_[place] == kNone ? first_free_ : next_[previous_[place]]) = next_[place];
    (next_[place] == kNone ? last_free_ : previous_[next_[place]]) = previous_[place];
  }

  struct Child {
    unsigned char label;
    size_t begin;
    size_t end;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  const std::vector<std::string_view>& strings_;
  const std::vector<uint32_t>& ids_;
  std::vector<size_t> order_;  // of the strings, sorted
  Node root_;
  std::vector<Node> nodes_;
  std::vector<Child> children_;
  std::vector<bool> used_base_;
  std::vector<uint32_t> next_, previous_;  // of free places in open blocks
  uint32_t first_free_ = kNone, last_free_ = kNone;
};

Trie::Trie(const std::vector<std::string_view>& strings, const std::vector<uint32_t>& ids) {
  *this = Builder(strings, ids).build();
}

Trie Trie::from_nodes(Node root, FrozenArray<Node> nodes) {
  Trie trie;
  trie.root_ = root;
  trie.nodes_ = std::move(nodes);
  return trie;
}

bool Trie::is_sound(size_t ids) const {
  // A child stands in its parent's block of 256 (base ^ byte), so that a base inside the nodes is enough.
  const auto bad = [&](const Node& node) {
    return (node.base_ >= nodes_.size()) | (node.id() != kNoId && node.id() >= ids);
  };
  bool any = bad(root_) || nodes_.size() % kBlock != 0;
  for (const Node& node : nodes_.values()) any |= node.label_and_id_ != kFree && bad(node);
  return !any;
}

const Trie::Node* Trie::walk(std::string_view text) const {
  const Node* node = &root_;
  for (const char byte : text) {
    node = step(*node, byte);
    if (!node) return nullptr;
  }
  return node;
}

std::optional<uint32_t> Trie::find(std::string_view text) const {
  const Node* node = walk(text);
  if (!node || node == &root_ || node->id() == kNoId) return std::nullopt;
  return node->id();
}

}  // namespace bgem3
