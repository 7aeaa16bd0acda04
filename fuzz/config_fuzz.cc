#include <cstdint>
#include <string>
#include <vector>

#include "expected_error.h"
#include "model/config.h"

namespace {

// The input holds a model's small files one after the other, with this line between them; an empty one is a file that
// is not there.
constexpr std::string_view kSeparator = "====\n";
constexpr std::string_view kNames[] = {"config.json",           "modules.json",
                                       "1_Pooling/config.json", "sentence_bert_config.json",
                                       "tokenizer_config.json", "config_sentence_transformers.json"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bgem3;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> parts;
  for (size_t end = 0; end != std::string_view::npos;
       rest.remove_prefix(std::min(rest.size(), end + kSeparator.size()))) {
    end = rest.find(kSeparator);
    parts.push_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
  }
  const TextSource source = [&](const std::string& name) -> std::optional<std::string> {
    for (size_t i = 0; i < parts.size() && i < std::size(kNames); ++i) {
      if (kNames[i] == name && !parts[i].empty()) return std::string(parts[i]);
    }
    return std::nullopt;
  };
  expect_answer_or_error([&] {
    const ModelConfig config = read_config(source, "");
    const bool sound = config.hidden % config.heads == 0 && config.pad_id < config.vocab && config.max_tokens > 0 &&
                       config.max_tokens <= config.position_rows && config.layer_norm_eps > 0;
    if (!sound) std::abort();
  });
  expect_answer_or_error([&] { read_prompts(source, ""); });
  return 0;
}
