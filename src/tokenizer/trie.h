// A vocabulary as a trie over bytes: which of its strings does a text begin with? Start at Trie::step.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/frozen_array.h"

namespace bgem3 {

// The places of the strings that are not empty, in the order of their bytes; equal strings as they stand.
std::vector<size_t> sorted_order(const std::vector<std::string_view>& strings);

// A double array: a node has a base, and its child for a byte stands at `base ^ byte`. No two nodes have the same base,
// so the byte written at a place says whether the child is there. Eight bytes a node. Immutable.
class Trie {
 public:
  static constexpr uint32_t kNoId = (1u << 23) - 1;  // also the first id that a trie cannot hold

  // The strings with their ids; of equal strings the last counts. Empty strings are not found.
  explicit Trie(const std::vector<std::string_view>& strings, const std::vector<uint32_t>& ids);

  // A place in the trie: the end of a prefix of some string.
  class Node {
   public:
    // The id of the string that ends here, or kNoId.
    uint32_t id() const { return label_and_id_ & kNoId; }

   private:
    friend class Trie;
    uint32_t base_ = 0;
    uint32_t label_and_id_ = kFree;  // the byte that leads here in bits 23-31, the id below
  };

  // A trie that was taken apart: its root and nodes(). Call is_sound() if they come from outside.
  static Trie from_nodes(Node root, FrozenArray<Node> nodes);
  std::span<const Node> nodes() const { return nodes_.values(); }
  // Whether no step leaves the nodes, and every id is below `ids`.
  bool is_sound(size_t ids) const;

  const Node& root() const { return root_; }

  // The child of `node` for a byte; null if no string goes on that way.
  const Node* step(const Node& node, char byte) const {
    const auto label = static_cast<unsigned char>(byte);
    const Node& child = nodes_[node.base_ ^ label];
    return child.label_and_id_ >> 23 == label ? &child : nullptr;
  }

  // The node at the end of `text`, if some string begins with it.
  const Node* walk(std::string_view text) const;

  // The id of exactly this string.
  std::optional<uint32_t> find(std::string_view text) const;

 private:
  static constexpr uint32_t kFree = UINT32_MAX;  // a label that no byte has
  static constexpr uint32_t kBlock = 256;        // nodes are added in blocks of so many
  class Builder;
  Trie() = default;

  Node root_;
  FrozenArray<Node> nodes_;
};

}  // namespace bgem3
