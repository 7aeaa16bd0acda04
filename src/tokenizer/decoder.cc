#include "tokenizer/decoder.h"

#include <utility>

namespace bgem3 {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// What the Hugging Face library does to every token by itself, in this order.
void clean_up(std::string& token) {
  static constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kReplacements) replace_all(token, from, to);
}

std::string decode_tokens(const MetaspaceDecoder& decoder, const std::vector<std::string_view>& tokens) {
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string token(tokens[i]);
    replace_all(token, decoder.replacement, i == 0 && decoder.drop_in_first ? "" : " ");
    text += token;
  }
  return text;
}

std::string decode_tokens(const WordPieceDecoder& decoder, const std::vector<std::string_view>& tokens) {
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string token(tokens[i]);
    if (i > 0) {
      if (token.starts_with(decoder.prefix)) {
        token.erase(0, decoder.prefix.size());
      } else {
        token.insert(0, " ");
      }
    }
    if (decoder.cleanup) clean_up(token);
    text += token;
  }
  return text;
}

std::string decode_tokens(const JoiningDecoder&, const std::vector<std::string_view>& tokens) {
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) text += ' ';
    text += tokens[i];
  }
  return text;
}

}  // namespace

std::string decode(const Decoder& decoder, const std::vector<std::string_view>& tokens) {
  return std::visit([&](const auto& chosen) { return decode_tokens(chosen, tokens); }, decoder);
}

}  // namespace bgem3
