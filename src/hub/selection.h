// Which files of a revision bgem3 reads. Start at select_files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hub/protocol.h"

namespace bgem3 {

struct Selection {
  std::vector<std::string>
      configuration;                 // small JSON: what read_config and read_prompts look at, and an index of shards
  std::vector<std::string> content;  // tokenizer.json, heads, weights
  std::vector<std::string> absent;   // names that bgem3 looks for and the revision does not have
};

// The same choice as find_model makes among files that are there. `read` gives the text of modules.json or of an index.
// Throws ModelLoadingError: not_found (no config.json, tokenizer.json or weights), unsupported, corrupt (an index or
// modules.json that cannot be followed), and what `read` throws.
Selection select_files(const std::string& repository, const HubRevision& revision,
                       const std::function<std::string(const std::string& name)>& read);

// "weights", "tokenizer" or "config": what a file is part of.
std::string part_of(const std::string& name);

}  // namespace bgem3
