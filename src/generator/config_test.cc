#include "generator/config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace bgem3 {
namespace {

std::string refusal(const std::function<void(EmbeddingConfig&)>& change) {
  EmbeddingConfig config;
  change(config);
  try {
    check_config(config);
  } catch (const InvalidInputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Config, TheDefaultsAreTheSpecifications) {
  const EmbeddingConfig config;
  EXPECT_NO_THROW(check_config(config));
  const OpenOptions options = open_options(config);
  EXPECT_EQ(options.model, "BAAI/bge-m3");
  EXPECT_EQ(options.dtype, "float32");
  EXPECT_EQ(options.threads, 4);
  EXPECT_EQ(options.max_memory_bytes, size_t{4} << 30);
}

TEST(Config, ARevisionBecomesAPartOfTheName) {
  EXPECT_EQ(open_options({.model_revision = "v2"}).model, "BAAI/bge-m3@v2");
}

TEST(Config, EveryRefusalNamesFieldAndValue) {
  const std::vector<std::pair<std::string, std::function<void(EmbeddingConfig&)>>> cases = {
      {"model_name: empty", [](auto& config) { config.model_name = ""; }},
      {"batch_size: 0, expected 1", [](auto& config) { config.batch_size = 0; }},
      {"batch_size: -1", [](auto& config) { config.batch_size = -1; }},
      {"max_sequence_length: 0", [](auto& config) { config.max_sequence_length = 0; }},
      {"device: \"cuda\", expected \"cpu\"", [](auto& config) { config.device = "cuda"; }},
      {"device: \"\"", [](auto& config) { config.device = ""; }},
      {"max_memory_gb: -1", [](auto& config) { config.max_memory_gb = -1; }},
      {"max_memory_gb: nan", [](auto& config) { config.max_memory_gb = NAN; }},
      {"max_memory_gb: inf", [](auto& config) { config.max_memory_gb = INFINITY; }},
      {"num_threads: -2", [](auto& config) { config.num_threads = -2; }},
      {"num_threads: 4294967297", [](auto& config) { config.num_threads = 4294967297; }},
      {"warmup_iterations: -1", [](auto& config) { config.warmup_iterations = -1; }},
      {"float16", [](auto& config) { config.dtype = "float16"; }},
      {"embedding_cache_bytes: -1", [](auto& config) { config.embedding_cache_bytes = -1; }},
      {"max_text_bytes: -1", [](auto& config) { config.max_text_bytes = -1; }},
      {"max_texts_per_call: -1", [](auto& config) { config.max_texts_per_call = -1; }},
      {"max_total_tokens: -1", [](auto& config) { config.max_total_tokens = -1; }},
      {"cache_embeddings is false", [](auto& config) { config.embedding_cache_path = "x.db"; }},
      {"has a revision too",
       [](auto& config) {
         config.model_name = "a/b@c";
         config.model_revision = "d";
       }},
      {"is a folder",
       [](auto& config) {
         config.model_name = ".";
         config.model_revision = "d";
       }},
  };
  for (const auto& [expected, change] : cases) {
    const std::string message = refusal(change);
    EXPECT_NE(message.find(expected), std::string::npos) << "expected " << expected << ", found " << message;
  }
}

}  // namespace
}  // namespace bgem3
