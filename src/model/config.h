// Reads every fact of a model from its small JSON files. Start at read_config.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bgem3/model.h"
#include "model/model_files.h"

namespace bgem3 {

// Reads config.json, modules.json, the pooling module's config.json, sentence_bert_config.json and
// tokenizer_config.json. Rules where a file is silent, as sentence-transformers has them: no modules.json means mean
// pooling without normalising; no max_seq_length means the smaller of tokenizer_config.json's model_max_length and the
// position table. max_tokens is never more than the position table serves. Throws ModelLoadingError: corrupt (a number
// out of range, files that disagree), unsupported (a component that bgem3 does not run, by name).
ModelConfig read_config(const ModelFiles& files);

// The texts that a model puts in front of queries and passages (config_sentence_transformers.json); empty where it has
// none.
struct Prompts {
  std::map<std::string, std::string> texts;  // name to text
  std::string default_name;                  // of the prompt used when none is named; empty for none
};
Prompts read_prompts(const ModelFiles& files);

// The same over any source of files: called with a name such as "1_Pooling/config.json", it answers the file's text or
// nothing if there is no such file. `where` stands before the name in messages ("/models/minilm/").
using TextSource = std::function<std::optional<std::string>(const std::string& name)>;
ModelConfig read_config(const TextSource& source, std::string_view where);
Prompts read_prompts(const TextSource& source, std::string_view where);

}  // namespace bgem3
