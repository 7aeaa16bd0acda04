// The command line as data. Start at parse_arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bgem3/cache.h"
#include "bgem3/chunker.h"
#include "bgem3/options.h"
#include "precision.h"
#include "ranking.h"
#include "rejections.h"
#include "text_reader.h"

namespace bgem3::cli {

// Text to print on standard output instead of doing anything: help, or the version.
struct ShowText {
  std::string text;
};

struct EmbedArguments {
  InputOptions input;
  OpenOptions open;
  EmbedOptions embed;
  std::optional<ChunkingConfig> chunking;  // records are documents, to be embedded in chunks
  bool late_chunking = false;              // each chunk with its whole document as context
  std::string prompt_name;
  bool pull = false;                         // download a missing model without asking
  bool prompt_given = false;                 // --prompt, also an empty one: then the model's default prompt is not used
  std::string output;                        // "" and "-": standard output
  Precision precision = Precision::float32;  // of dense vectors and multi-vectors in the output
  OnError on_error = OnError::fail;
  bool overwrite = false;
  bool quiet = false;
};

struct TokenizeArguments {
  InputOptions input;
  std::string model;
  size_t max_tokens = 0;  // 0: the model's limit
  SpecialTokensInText special_tokens_in_text = SpecialTokensInText::match;
  InvalidUtf8 invalid_utf8 = InvalidUtf8::error;
  std::string output;
  OnError on_error = OnError::fail;
  bool overwrite = false;
  bool quiet = false;
};

struct ChunkArguments {
  InputOptions input;
  ChunkingConfig config;
  bool count_tokens = true;  // false: in characters, and no model was named
  std::string output;
  OnError on_error = OnError::fail;
  bool overwrite = false;
  bool quiet = false;
};

struct InfoArguments {
  OpenOptions open;
  bool json = false;
};

struct SearchArguments {
  InputOptions input;
  OpenOptions open;
  EmbedOptions embed;  // of queries and passages; `prompt` and `outputs` are not set
  std::vector<std::string> queries;
  std::string query_prompt;
  std::string passage_prompt;
  std::string embeddings;  // what `embed` wrote of the corpus; "": embed it
  ScoreRule rule;
  size_t top = 10;
  bool pull = false;
  OnError on_error = OnError::fail;
  bool json = false;
  bool quiet = false;
};

struct HistoryArguments {
  std::string file;
  size_t last = SIZE_MAX;
  bool json = false;
  std::string plot;  // an .svg; "": none
};

struct PullArguments {
  std::string model;
  bool latest = false;
  bool check = false;  // only ask what the hub has
  bool json = false;
  bool quiet = false;
};

struct VerifyArguments {
  OpenOptions open;
  std::vector<std::string> dtypes;  // empty: the library's choice
  bool published = false;
  std::string record;   // the fingerprint to write; "": none
  std::string against;  // the fingerprint to compare with; "": none
  bool json = false;
  bool verbose = false;
  bool quiet = false;
};

struct CacheListArguments {
  CacheOptions cache;
  bool json = false;
};

struct CacheCleanArguments {
  CleanOptions clean;
  bool json = false;
};

using Arguments =
    std::variant<ShowText, EmbedArguments, TokenizeArguments, ChunkArguments, InfoArguments, SearchArguments,
                 PullArguments, HistoryArguments, VerifyArguments, CacheListArguments, CacheCleanArguments>;

// Throws UsageError: one line that names the option and what it takes. `stdin_is_terminal`: a command that would wait
// for somebody to type texts answers with its help instead.
Arguments parse_arguments(int argc, const char* const* argv, bool stdin_is_terminal);

}  // namespace bgem3::cli
