// bgem3 as bench/peers measures it: one request a line on standard input, one answer a line on standard output, JSON.
//
//   embed_server --model FOLDER --dtype f32 --threads 2
//
//   {"texts": [...], "vectors": false}  ->  {"seconds": 0.123}, with "vectors": [[...], ...] if asked for, or {"error":
//   "..."}
//
// The same lines as bench/peers/engines.py; what else a request holds is ignored. Uses the public headers only.
#include <fmt/format.h>
#include <simdjson.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bgem3/embedder.h"

namespace {

struct Request {
  std::vector<std::string> texts;
  bool vectors = false;
};

Request parse(simdjson::dom::parser& parser, const std::string& line) {
  const simdjson::dom::element document = parser.parse(line);
  Request request;
  for (const simdjson::dom::element text : document["texts"].get_array())
    request.texts.emplace_back(std::string_view(text));
  request.vectors = document["vectors"];
  return request;
}

std::string answer(const bgem3::Embedder& embedder, const Request& request) {
  const auto begin = std::chrono::steady_clock::now();
  const bgem3::EmbedResult result = embedder.embed(request.texts);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  std::string reply = fmt::format("{{\"seconds\": {}", elapsed.count());
  for (size_t i = 0; i < result.texts(); ++i) {
    if (result[i].error) throw std::runtime_error(fmt::format("text {}: {}", i, result[i].error_message));
    if (request.vectors)
      reply += fmt::format("{}[{}]", i == 0 ? ", \"vectors\": [" : ", ", fmt::join(result[i].dense, ", "));
  }
  return reply + (request.vectors && result.texts() > 0 ? "]}" : "}");
}

std::string error_reply(const std::exception& error) {
  std::string message;
  for (const char c : std::string_view(error.what())) {
    if (c == '"' || c == '\\') message += '\\';
    message += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return fmt::format("{{\"error\": \"{}\"}}", message);
}

bgem3::OpenOptions parse_arguments(int count, char** arguments) {
  bgem3::OpenOptions options;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = arguments[i], value = arguments[i + 1];
    if (name == "--model")
      options.model = value;
    else if (name == "--threads")
      options.threads = std::stoi(value);
    else if (name == "--dtype")
      options.dtype = value;
    else
      throw std::runtime_error(fmt::format("embed_server: unknown option {} {}", name, value));
  }
  return options;
}

}  // namespace

int main(int count, char** arguments) {
  const auto send = [](const std::string& reply) { std::cout << reply << std::endl; };
  try {
    const bgem3::Embedder embedder = bgem3::Embedder::open(parse_arguments(count, arguments));
    simdjson::dom::parser parser;
    for (std::string line; std::getline(std::cin, line);) {
      try {
        send(answer(embedder, parse(parser, line)));
      } catch (const std::exception& error) {
        send(error_reply(error));
      }
    }
    return 0;
  } catch (const std::exception& error) {
    send(error_reply(error));
    return 1;
  }
}
