// Sentences, UAX #29 of Unicode 16 (rules SB3 to SB998).
#pragma once

#include <cstddef>
#include <string_view>

namespace bgem3 {

// What CR and LF are: the end of a sentence, as the standard has it, or a space, as in paragraphs wrapped by hand.
enum class LineEnd { ends_sentence, space };

// Where the sentence that begins at `begin` of well-formed text ends. `begin` must not be the text's end.
// Cost: linear in the sentence, and once more in what follows a full stop up to the next letter or full stop.
size_t sentence_end(std::string_view text, size_t begin, LineEnd line_end);

}  // namespace bgem3
