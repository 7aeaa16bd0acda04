// Whether a tokenizer gives the ids that it should. Start at check_tokenizer.
#pragma once

#include "bgem3/tokenizer.h"
#include "verify/checks.h"

namespace bgem3 {

// Compares with the ids that are built in. `published`: it must be bge-m3's; else one with XLM-RoBERTa's vocabulary is
// compared with what all of these have in common, and any other with nothing.
void check_tokenizer(const Tokenizer& tokenizer, bool published, Checks& checks);

}  // namespace bgem3
