// The figures of EmbeddingGenerator, one JSON object a line. Each run is a process of its own, because peaks of memory
// are those of the process.
//
//   generator_bench MODEL throughput   texts a second by batch size and length
//   generator_bench MODEL soak         resident memory over 10,000 calls
//   generator_bench MODEL memory       peak for 1,000 chunks of 512 tokens and for one of 8,192, beside the ceiling
//   generator_bench MODEL cache        a remembered vector, from memory and from the file
//   generator_bench MODEL load         the first start, the second, a shared model
//
// Options: --dtype D, --threads N, --max-memory GIB, --calls N (soak), --chunks N (memory), --work FOLDER (cache and
// packed files; a new one is made and removed). Lengths above the model's limit are left out. Public headers only.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bgem3/generator.h"

namespace {

using bgem3::EmbeddingConfig;
using bgem3::EmbeddingGenerator;
using Clock = std::chrono::steady_clock;

constexpr double kBytesOfGib = 1 << 30;
constexpr double kEnoughSeconds = 6;  // of rounds of one figure

struct Arguments {
  std::string figure;
  EmbeddingConfig config;
  size_t calls = 10000, chunks = 1000;
  std::string work;
};

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double resident_gib() {
  std::ifstream file("/proc/self/statm");
  size_t size = 0, resident = 0;
  file >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / kBytesOfGib;
}

// Different texts that all have at least so many tokens: max_sequence_length makes it exactly so many.
std::vector<std::string> texts_of(size_t count, int64_t tokens, size_t seed = 0) {
  static const char* const kWords[] = {"sea", "bread", "moon", "stone", "river", "light", "wood", "salt"};
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; i++) {
    std::string& text = texts.emplace_back(fmt::format("{} ", seed + i));
    for (int64_t word = 0; word < tokens; word++) {
      text += kWords[(seed + i + static_cast<size_t>(word) * (i % 5 + 1)) % 8];
      text += ' ';
    }
  }
  return texts;
}

size_t model_limit(const EmbeddingConfig& config) {
  return bgem3::describe_model({.model = config.model_name, .packed_cache = false}).config.max_tokens;
}

void measure_throughput(const Arguments& arguments) {
  const size_t limit = model_limit(arguments.config);
  for (const int64_t tokens : {16, 64, 128, 256, 512, 1024, 2048}) {
    if (static_cast<size_t>(tokens) > limit) continue;
    EmbeddingConfig config = arguments.config;
    config.max_sequence_length = tokens;
    EmbeddingGenerator generator(config);
    generator.warm_up_model();
    // At least 8,192 tokens and 8 texts a round; a batch of more than all of them would be the same again.
    const int64_t texts_in_round = std::clamp<int64_t>(8192 / tokens, 8, 64);
    const std::vector<std::string> texts = texts_of(static_cast<size_t>(texts_in_round), tokens);
    for (const int64_t batch_size : {1, 4, 16, 32, 64}) {
      if (batch_size > texts_in_round) continue;
      double best = 1e30, spent = 0;
      for (int round = 0; round < 3 && spent < kEnoughSeconds; round++) {
        const auto begin = Clock::now();
        generator.batch_process(texts, batch_size);
        const double seconds = seconds_since(begin);
        best = std::min(best, seconds);
        spent += seconds;
      }
      const double count = static_cast<double>(texts.size());
      fmt::print(
          "{{\"figure\": \"throughput\", \"dtype\": \"{}\", \"threads\": {}, \"tokens\": {}, \"batch_size\": {}, "
          "\"texts_per_second\": {:.3f}, \"tokens_per_second\": {:.1f}, \"ms_per_text\": {:.3f}}}\n",
          config.dtype, generator.get_processing_stats().threads, tokens, batch_size, count / best,
          count * static_cast<double>(tokens) / best, best / count * 1000);
      std::fflush(stdout);
    }
  }
}

void measure_soak(const Arguments& arguments) {
  EmbeddingGenerator generator(arguments.config);
  generator.warm_up_model();
  const size_t step = std::max<size_t>(1, arguments.calls / 10);
  for (size_t call = 0; call <= arguments.calls; call++) {
    if (call % step == 0) {
      fmt::print("{{\"figure\": \"soak\", \"calls\": {}, \"resident_gib\": {:.4f}}}\n", call, resident_gib());
      std::fflush(stdout);
    }
    const std::vector<std::string> texts = texts_of(1 + call % 4, 4 + static_cast<int64_t>(call % 13), call);
    std::vector<bgem3::ChunkInput> chunks;
    for (const std::string& text : texts) chunks.push_back({.text = text});
    generator.generate_embeddings(chunks);
  }
}

void measure_memory(const Arguments& arguments) {
  EmbeddingConfig config = arguments.config;
  config.max_sequence_length = 8192;
  EmbeddingGenerator generator(config);
  const auto report = [&](const char* what) {
    const bgem3::ProcessingStats stats = generator.get_processing_stats();
    fmt::print(
        "{{\"figure\": \"memory\", \"what\": \"{}\", \"dtype\": \"{}\", \"threads\": {}, \"peak_gib\": {:.4f}, "
        "\"ceiling_gib\": {}, \"failed\": {}}}\n",
        what, config.dtype, stats.threads, stats.memory_usage_peak, config.max_memory_gb, stats.failed);
    std::fflush(stdout);
  };
  generator.model();
  report("model loaded");
  std::vector<std::string> texts = texts_of(arguments.chunks, 500);  // about 512 tokens
  std::vector<bgem3::ChunkInput> chunks;
  for (const std::string& text : texts) chunks.push_back({.text = text});
  generator.generate_embeddings(chunks);
  report("chunks of 512 tokens");
  if (model_limit(config) >= 8192) {
    texts = texts_of(1, 9000);
    generator.batch_process(texts);
    report("a text of 8192 tokens");
  }
}

void measure_cache(const Arguments& arguments) {
  EmbeddingConfig config = arguments.config;
  config.cache_embeddings = true;
  config.embedding_cache_path = arguments.work + "/vectors.db";
  EmbeddingGenerator generator(config);
  const std::vector<std::string> texts = texts_of(1000, 100);
  const auto run = [&](const char* what) {
    const auto begin = Clock::now();
    generator.batch_process(texts);
    const double microseconds = seconds_since(begin) * 1e6 / static_cast<double>(texts.size());
    const bgem3::ProcessingStats stats = generator.get_processing_stats();
    fmt::print(
        "{{\"figure\": \"cache\", \"what\": \"{}\", \"dtype\": \"{}\", \"us_per_text\": {:.2f}, \"hits\": {}, "
        "\"misses\": {}}}\n",
        what, config.dtype, microseconds, stats.cache_hits, stats.cache_misses);
    std::fflush(stdout);
  };
  generator.model();
  run("computed");
  run("memory");
  generator.clear_cache();
  generator.model();
  run("file");
}

void measure_load(const Arguments& arguments) {
  EmbeddingConfig config = arguments.config;
  config.cache_dir = arguments.work + "/packed";
  const auto load = [&](EmbeddingGenerator& generator, const char* what) {
    const auto begin = Clock::now();
    generator.model();
    const double loaded = seconds_since(begin);
    generator.generate_single_embedding("the first text");
    fmt::print(
        "{{\"figure\": \"load\", \"what\": \"{}\", \"dtype\": \"{}\", \"load_seconds\": {:.4f}, "
        "\"first_vector_seconds\": {:.4f}}}\n",
        what, config.dtype, loaded, seconds_since(begin));
    std::fflush(stdout);
  };
  EmbeddingGenerator first(config), shared(config);
  load(first, "first: hashes and packs the files");
  first.clear_cache();
  load(first, "second: maps the packed file");
  load(shared, "shared with the generator before");
}

Arguments parse(int argc, char** argv) {
  if (argc < 3) throw std::invalid_argument("usage: generator_bench MODEL FIGURE [OPTIONS]; see the file's head");
  Arguments arguments;
  arguments.config.model_name = argv[1];
  arguments.figure = argv[2];
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string option = argv[i], value = argv[i + 1];
    if (option == "--dtype") {
      arguments.config.dtype = value;
    } else if (option == "--threads") {
      arguments.config.num_threads = std::stoi(value);
    } else if (option == "--max-memory") {
      arguments.config.max_memory_gb = std::stod(value);
    } else if (option == "--calls") {
      arguments.calls = std::stoul(value);
    } else if (option == "--chunks") {
      arguments.chunks = std::stoul(value);
    } else if (option == "--work") {
      arguments.work = value;
    } else {
      throw std::invalid_argument("unknown option " + option);
    }
  }
  return arguments;
}

void run(Arguments arguments) {
  const bool temporary = arguments.work.empty();
  if (temporary) {
    std::string pattern = (std::filesystem::temp_directory_path() / "generator-bench-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
    arguments.work = pattern;
  }
  if (arguments.figure == "throughput") {
    measure_throughput(arguments);
  } else if (arguments.figure == "soak") {
    measure_soak(arguments);
  } else if (arguments.figure == "memory") {
    measure_memory(arguments);
  } else if (arguments.figure == "cache") {
    measure_cache(arguments);
  } else if (arguments.figure == "load") {
    measure_load(arguments);
  } else {
    throw std::invalid_argument("unknown figure " + arguments.figure);
  }
  if (temporary) std::filesystem::remove_all(arguments.work);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(parse(argc, argv));
  } catch (const std::exception& error) {
    fmt::print(stderr, "generator_bench: {}\n", error.what());
    return 1;
  }
}
