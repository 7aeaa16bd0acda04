// modules.json: the steps of a sentence-transformers model. Start at parse_modules.
#pragma once

#include <string>
#include <string_view>

namespace bgem3 {

// What follows the encoder.
struct Modules {
  std::string pooling_folder;  // where the pooling module's config.json is, "1_Pooling"
  bool normalize = false;
};

// Throws ModelLoadingError: corrupt, or unsupported for any sequence other than Transformer, Pooling and perhaps
// Normalize, by the name of what differs. `file` stands for the text in messages.
Modules parse_modules(std::string_view text, std::string_view file);

}  // namespace bgem3
