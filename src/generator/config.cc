#include "generator/config.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "kernels/precision.h"
#include "model/messages.h"

namespace bgem3 {
namespace {

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
constexpr int64_t kMostBytes = int64_t{1} << 50;
constexpr double kBytesOfGib = 1 << 30;
constexpr double kMostGib = 1 << 20;

void check_range(const char* field, int64_t value, int64_t least, int64_t most = kMost) {
  if (value >= least && value <= most) return;
  fail<InvalidInputError>(ErrorCode::invalid_input, "{}: {}, expected {} to {}", field, value, least, most);
}

}  // namespace

void check_config(const EmbeddingConfig& config) {
  if (config.model_name.empty()) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "model_name: empty, expected a folder or organisation/name, for example BAAI/bge-m3");
  }
  if (!config.model_revision.empty() && config.model_name.find('@') != std::string::npos) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "model_revision: {}, but model_name {} has a revision too; give one of them",
                            quote(config.model_revision), quote(config.model_name));
  }
  if (!config.model_revision.empty() && is_folder(config.model_name)) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "model_revision: {}, but model_name {} is a folder, which has no revisions; leave it empty",
                            quote(config.model_revision), quote(config.model_name));
  }
  check_range("batch_size", config.batch_size, 1);
  check_range("max_sequence_length", config.max_sequence_length, 1);
  if (config.device != "cpu") {
    fail<InvalidInputError>(ErrorCode::unsupported, "device: {}, expected \"cpu\"; bgem3 computes on CPUs only",
                            quote(config.device));
  }
  if (!(config.max_memory_gb >= 0 && config.max_memory_gb <= kMostGib)) {  // also NaN
    fail<InvalidInputError>(ErrorCode::invalid_input, "max_memory_gb: {}, expected 0 (no ceiling) to {}",
                            config.max_memory_gb, kMostGib);
  }
  check_range("num_threads", config.num_threads, 0);
  check_range("warmup_iterations", config.warmup_iterations, 0);
  parse_precision(config.dtype);
  check_range("embedding_cache_bytes", config.embedding_cache_bytes, 0, kMostBytes);
  check_range("max_text_bytes", config.max_text_bytes, 0, kMostBytes);
  check_range("max_texts_per_call", config.max_texts_per_call, 0, kMostBytes);
  check_range("max_total_tokens", config.max_total_tokens, 0, kMostBytes);
  if (!config.embedding_cache_path.empty() && !config.cache_embeddings) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "embedding_cache_path: {}, but cache_embeddings is false; set it to true",
                            quote(config.embedding_cache_path));
  }
}

std::string public_dtype(const std::string& dtype) {
  switch (parse_precision(dtype)) {
    case Precision::f32:
      return "float32";
    case Precision::bf16:
      return "bfloat16";
    case Precision::int8:
      return "int8";
  }
  return dtype;
}

OpenOptions open_options(const EmbeddingConfig& config) {
  OpenOptions options;
  options.model = config.model_revision.empty() ? config.model_name : config.model_name + "@" + config.model_revision;
  options.dtype = config.dtype;
  options.threads = static_cast<int>(config.num_threads);
  options.max_memory_bytes = static_cast<size_t>(std::llround(config.max_memory_gb * kBytesOfGib));
  options.cache_dir = config.cache_dir;
  return options;
}

}  // namespace bgem3
