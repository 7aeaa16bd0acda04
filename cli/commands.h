// The commands of the program, one file each. They return the exit code and throw what failure.h lists.
#pragma once

#include "arguments.h"
#include "signals.h"

namespace bgem3::cli {

int run_embed(const EmbedArguments& arguments, Signals& signals);
int run_tokenize(const TokenizeArguments& arguments, Signals& signals);
int run_chunk(const ChunkArguments& arguments, Signals& signals);
int run_info(const InfoArguments& arguments);
int run_history(const HistoryArguments& arguments);
int run_verify(const VerifyArguments& arguments);
int run_cache_list(const CacheListArguments& arguments);
int run_cache_clean(const CacheCleanArguments& arguments);
int run_pull(const PullArguments& arguments, Signals& signals);
int run_search(const SearchArguments& arguments, Signals& signals);

// Before a command opens a model that is not in the Hugging Face cache: with `pull` downloads it, on a terminal asks
// first, else does nothing. Throws as run_pull.
void offer_pull(const std::string& model, bool pull, bool quiet, Signals& signals);

}  // namespace bgem3::cli
