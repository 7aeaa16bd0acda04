// Tokenizes texts for tests/tokenizer_parity_test.py and bench/tokenizer_bench.py.
//
//   tokenize_lines TOKENIZER_JSON [--max-tokens N] [--escape] [--no-template] [--replace] [--compiled]
//       [--bench ROUNDS]
//
// Standard input: texts, each as its length (u32, little endian, as all numbers here) and its bytes. Standard output,
// for each text: the number of tokens, whether truncated, the number of replaced parts (u32 each), the ids (u32), the
// begins and the ends of the offsets (u32), then the decoded ids without special tokens as length (u32) and bytes. With
// --compiled: through the compiled form, as a start with a packed file has it. With
// --bench: the best seconds of that many rounds over all texts as one line, and nothing else.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bgem3/tokenizer.h"
#include "tokenizer/compiled.h"

namespace {

bool read(void* bytes, size_t size) { return std::fread(bytes, 1, size, stdin) == size; }

void write(uint32_t value) { std::fwrite(&value, 1, sizeof value, stdout); }

double best_seconds(const bgem3::Tokenizer& tokenizer, const bgem3::EncodeOptions& options,
                    const std::vector<std::string>& texts, int rounds) {
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (const std::string& text : texts) tokenizer.encode(text, options);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    best = std::min(best, elapsed.count());
  }
  return best;
}

bgem3::Tokenizer recompile(const bgem3::Tokenizer& tokenizer) {
  const std::string form = bgem3::CompiledTokenizer::make(tokenizer);
  const auto words = std::make_shared<std::vector<uint64_t>>(form.size() / sizeof(uint64_t));
  std::memcpy(words->data(), form.data(), form.size());
  return bgem3::CompiledTokenizer::read(std::as_bytes(std::span(*words)), words, "compiled");
}

}  // namespace

int main(int argc, char** argv) try {
  bgem3::EncodeOptions options;
  int rounds = 0;
  bool compiled = false;
  for (int i = 2; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto value = [&] { return i + 1 < argc ? argv[++i] : throw std::runtime_error("a value is missing"); };
    if (argument == "--max-tokens")
      options.max_tokens = std::stoul(value());
    else if (argument == "--escape")
      options.special_tokens_in_text = bgem3::SpecialTokensInText::escape;
    else if (argument == "--no-template")
      options.add_special_tokens = false;
    else if (argument == "--replace")
      options.invalid_utf8 = bgem3::InvalidUtf8::replace;
    else if (argument == "--compiled")
      compiled = true;
    else if (argument == "--bench")
      rounds = std::stoi(value());
    else
      throw std::runtime_error("unknown argument " + std::string(argument));
  }
  if (argc < 2) throw std::runtime_error("usage: tokenize_lines TOKENIZER_JSON [options]");
  bgem3::Tokenizer tokenizer = bgem3::Tokenizer::from_file(argv[1]);
  if (compiled) tokenizer = recompile(tokenizer);
  std::vector<std::string> texts;
  uint32_t size;
  while (read(&size, sizeof size)) {
    std::string text(size, '\0');
    if (!read(text.data(), size)) throw std::runtime_error("the input ends within a text");
    if (rounds > 0) {
      texts.push_back(std::move(text));
      continue;
    }
    const bgem3::Encoding encoding = tokenizer.encode(text, options);
    write(static_cast<uint32_t>(encoding.ids.size()));
    write(encoding.truncated);
    write(static_cast<uint32_t>(encoding.replaced_utf8));
    std::fwrite(encoding.ids.data(), sizeof(uint32_t), encoding.ids.size(), stdout);
    for (const auto& range : encoding.offsets) write(static_cast<uint32_t>(range.begin));
    for (const auto& range : encoding.offsets) write(static_cast<uint32_t>(range.end));
    const std::string decoded = tokenizer.decode(encoding.ids);
    write(static_cast<uint32_t>(decoded.size()));
    std::fwrite(decoded.data(), 1, decoded.size(), stdout);
  }
  if (rounds > 0) std::printf("%.6f\n", best_seconds(tokenizer, options, texts, rounds));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "tokenize_lines: %s\n", error.what());
  return 1;
}
