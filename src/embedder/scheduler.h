// Cuts a request into passes over the encoder. Start at schedule.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace bgem3 {

// Indices of texts into passes: longest texts first (equal ones in the caller's order), each pass as many texts as fit
// into `pass_tokens` tokens, at least one. Texts of 0 tokens are left out: they failed before. Since a text's vector
// does not depend on its pass, only speed and memory depend on this.
//   tokens: [texts], the number of tokens of each.
std::vector<std::vector<size_t>> schedule(std::span<const size_t> tokens, size_t pass_tokens);

}  // namespace bgem3
