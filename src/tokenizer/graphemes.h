// Extended grapheme clusters, UAX #29 of Unicode 16 (rules GB3 to GB13 with GB9c and GB11).
#pragma once

#include <cstddef>
#include <string_view>

namespace bgem3 {

// Where the cluster that begins at `begin` ends. `begin` must be a cluster boundary of well-formed text, not its end.
// Cost: linear in the length of the cluster.
size_t grapheme_cluster_end(std::string_view text, size_t begin);

}  // namespace bgem3
