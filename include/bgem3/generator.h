// The product class: chunks of text in, vectors with metadata out. Quality, embedding cache, limits, statistics. Start
// at EmbeddingGenerator.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "bgem3/embedder.h"
#include "bgem3/error.h"
#include "bgem3/tokenizer.h"

#pragma GCC visibility push(default)
namespace bgem3 {

// What a text that cannot be embedded becomes.
enum class TextErrors {
  zero,   // a zero vector with quality 0 and the reason; its neighbours are unharmed
  raise,  // an InferenceError that names its index, thrown once the batch it is in has been computed
};

struct EmbeddingConfig {
  // The specification's fields and defaults. Counts are signed so that a negative one is refused, not wrapped.
  std::string model_name = "BAAI/bge-m3";  // a folder, or "organisation/name[@revision]" in the Hugging Face cache
  int64_t batch_size = 32;                 // most texts computed at a time; inside, passes are cut by tokens and memory
  int64_t max_sequence_length = 512;       // tokens, template included; a model with a smaller limit keeps its own
  bool normalize_embeddings = true;        // vectors of length one; false: as the model's pooling gives them
  std::string device = "cpu";              // anything else is refused
  bool cache_model = true;                 // share one loaded model with other generators
  bool cache_embeddings = false;           // remember vectors by content
  double max_memory_gb = 4.0;     // GiB: ceiling for the whole process, planned when the model is loaded; 0: none
  int64_t num_threads = 4;        // more than the process may use cores are capped, and that is reported
  bool deterministic = true;      // same text, same bits, always: there is no faster way that false could allow
  int64_t warmup_iterations = 3;  // of warm_up_model()

  // Ours.
  std::string dtype = "float32";                       // or "bfloat16", "int8"
  std::string model_revision = {};                     // branch, tag or commit in the Hugging Face cache; empty: main
  std::string cache_dir = {};                          // folder of packed weights, as OpenOptions::cache_dir
  int64_t embedding_cache_bytes = int64_t{256} << 20;  // most memory, and most disk, of remembered vectors
  std::string embedding_cache_path = {};               // SQLite file that remembers them too; empty: memory only
  TextErrors on_error = TextErrors::zero;
  SpecialTokensInText special_tokens_in_text = SpecialTokensInText::match;
  int64_t max_text_bytes = int64_t{64} << 20;  // a longer text is a failed text; 0: no limit
  int64_t max_texts_per_call = 0;              // more texts are a ResourceLimitError; 0: no limit
  int64_t max_total_tokens = 0;                // the same for the tokens of a call, after truncation; 0: no limit
  std::string history_path = {};               // SQLite file that gets a row a call (history.h); empty: none
};

// One text to embed. The views must be valid until the call returns.
struct ChunkInput {
  std::string_view text = {};
  std::string_view chunk_id = {};                                // empty: the first 16 hex digits of the text's MD5
  const std::map<std::string, std::string>* metadata = nullptr;  // copied into ChunkEmbedding::chunk_metadata
};

struct EmbeddingMetadata {
  std::string chunk_id;
  std::string embedding_hash;  // first 16 hex digits of SHA-256 over the vector's float32 bytes, little-endian
  std::string model_version;   // "BAAI/bge-m3@5617a9f61b02 float32"; ends in " unverified" where no digest is known
  std::chrono::system_clock::time_point generation_timestamp;
  double processing_time_ms = 0;  // of its batch's time, the share of its tokens; of a cached one, looking it up
  size_t sequence_length = 0;     // tokens, template tokens included, after truncation; 0 for a failed text
  bool was_truncated = false;     // the text had more tokens than the limit; the first ones were kept
  double quality_score = 0;       // [0, 1]: docs/generator.md
  std::string error;              // why this text failed: one line; empty if it did not
};

struct ChunkEmbedding {
  std::string chunk_id;
  std::string text_content;
  std::span<const float> embedding_vector;  // [dimensions]; owned by the GeneratedEmbeddings it comes from
  EmbeddingMetadata metadata;
  std::map<std::string, std::string> chunk_metadata;
};

// Vectors side by side: [texts, dimensions] f32, rows contiguous. The buffer may be moved out and kept.
struct EmbeddingMatrix {
  size_t texts = 0;
  size_t dimensions = 0;
  std::vector<float> values;  // [texts * dimensions]

  std::span<const float> row(size_t text) const { return std::span(values).subspan(text * dimensions, dimensions); }
};

// The answer of generate_embeddings, in the order of the chunks. Move-only: the chunks' vectors point into `matrix`,
// wherever it is moved.
struct GeneratedEmbeddings {
  EmbeddingMatrix matrix;  // the rows of failed texts are zero
  std::vector<ChunkEmbedding> chunks;

  GeneratedEmbeddings() = default;
  GeneratedEmbeddings(GeneratedEmbeddings&&) = default;
  GeneratedEmbeddings& operator=(GeneratedEmbeddings&&) = default;
};

struct TextFailure {
  size_t index = 0;  // of the text in the call
  ErrorCode code = ErrorCode::internal;
  std::string reason;  // one line
};

// What validate_embedding_quality looks at: one vector, of any width, with what is known about it.
struct QualityInput {
  std::span<const float> vector = {};
  std::string_view text = {};  // equal texts may have equal vectors
  double quality_score = 0;
  double processing_time_ms = 0;
  std::string_view error = {};
};

// What was found, the kind in a word: "failed", "not_finite", "dimension", "zero", "not_normalized", "duplicate",
// "near_constant", "far_from_centroid", "low_quality".
struct QualityIssue {
  std::string kind;
  std::optional<size_t> index;  // of the embedding; empty: of the set
  double value = 0;             // what was measured; for a duplicate the index of the first equal vector
  std::string message;          // one line that says both
};

struct PerformanceMetrics {
  double avg_processing_time_ms = 0;
  double median_processing_time_ms = 0;
  double max_processing_time_ms = 0;
  double total_processing_time_s = 0;
};

struct QualityReport {
  size_t total_embeddings = 0;
  double avg_quality_score = 0;
  bool dimension_consistency = false;          // every vector has the first one's width
  bool normalization_status = false;           // every vector that is not zero has length one, within 1e-3
  size_t outlier_count = 0;                    // vectors that are not finite, or far from the centroid
  std::vector<std::string> processing_issues;  // the messages of `issues`
  PerformanceMetrics performance_metrics;
  std::vector<QualityIssue> issues;  // ours: the same as data
};

// Counts since the generator was made.
struct ProcessingStats {
  size_t total_embeddings = 0;        // texts that came in, failed ones included
  double total_processing_time = 0;   // seconds in calls, loading the model aside
  double average_batch_size = 0;      // mean number of texts of a batch, cached ones aside; 0 before the first
  double memory_usage_peak = 0;       // GiB: the largest resident memory of the process so far
  double avg_time_per_embedding = 0;  // seconds
  // Ours.
  size_t batches = 0;
  size_t tokens = 0;             // computed; those of cached vectors are not
  double tokens_per_second = 0;  // of the time in calls
  size_t truncated = 0;
  size_t failed = 0;
  size_t cache_hits = 0;
  size_t cache_misses = 0;
  size_t cache_bytes = 0;         // of remembered vectors, in memory, now
  double model_load_seconds = 0;  // of the last load by this generator; a shared model costs next to nothing
  std::string isa;                // empty before the first load
  std::string dtype;              // as configured
  size_t threads = 0;             // in use; 0 before the first load
};

enum class EventLevel { debug, info, warning, error };

// Something worth a line in a log.
struct Event {
  using Value = std::variant<std::string, int64_t, double, bool>;
  EventLevel level = EventLevel::info;
  std::string name;     // stable: "model_loaded", "batch_completed", "text_failed"; all of them: docs/generator.md
  std::string message;  // one line for people
  std::vector<std::pair<std::string, Value>> fields;
};

// Called on the thread that made the call, outside every lock. Must not throw.
using EventHandler = std::function<void(const Event& event)>;

// Of one call. Affects no vector.
struct CallOptions {
  std::stop_token stop = {};                                        // texts not yet computed fail with `cancelled`
  std::function<void(size_t done, size_t total)> on_progress = {};  // after every batch, in texts; must not throw
  std::function<void()> on_wait = {};                               // as EmbedOptions::on_wait
};

// Any number of threads may call all methods of one generator at the same time. The model is loaded by the first call
// that needs it, and again after clear_cache().
class EmbeddingGenerator {
 public:
  static constexpr size_t kModelDimension = 1024;  // of bge-m3; dimensions() has the loaded model's own
  static constexpr double kDefaultQualityThreshold = 0.8;

  // Checks the configuration: InvalidInputError that names the field, what it is and what was expected. Opens the
  // embedding cache and the history, if they are asked for; a damaged file is set aside with an event, one that cannot
  // be written is an EmbeddingGenerationError (io).
  explicit EmbeddingGenerator(EmbeddingConfig config = {}, EventHandler on_event = {});
  ~EmbeddingGenerator();
  EmbeddingGenerator(EmbeddingGenerator&&) noexcept;
  EmbeddingGenerator& operator=(EmbeddingGenerator&&) noexcept;

  // The vectors of the chunks with their metadata, in the order of the chunks; none for none. A text that fails is
  // treated as config().on_error says, and is in last_failures(). Throws ResourceLimitError (a limit of the
  // configuration, or memory: planned before work starts), ModelLoadingError, InferenceError (on_error).
  // Cost: that of Embedder::embed over batches of batch_size texts; a remembered vector costs microseconds.
  GeneratedEmbeddings generate_embeddings(std::span<const ChunkInput> chunks, const CallOptions& options = {});

  // The vector of one text: [dimensions]. Zero if it failed, or InferenceError, as config().on_error says.
  std::vector<float> generate_single_embedding(std::string_view text, const CallOptions& options = {});

  // The vectors only. batch_size: 0 is config().batch_size. Failures: as generate_embeddings, with a warning event
  // each.
  EmbeddingMatrix batch_process(std::span<const std::string_view> texts, int64_t batch_size = 0,
                                const CallOptions& options = {});
  EmbeddingMatrix batch_process(std::span<const std::string> texts, int64_t batch_size = 0,
                                const CallOptions& options = {});

  // batch_process for callers who want an answer whatever happens: where memory does not suffice the batch is halved,
  // down to one text, and a text that fails even so, or that `raise` would end the call for, becomes a zero vector in
  // last_failures(). Still thrown: a model that cannot be loaded, and limits on the whole call.
  EmbeddingMatrix safe_process(std::span<const std::string_view> texts, const CallOptions& options = {});

  // Looks at a set of vectors: docs/generator.md has the rules. Throws QualityValidationError if min_quality_score is
  // given and the average is below it; InvalidInputError if it is not in [0, 1]. Never because of the vectors: they may
  // have any width and any value. Needs no model. Cost: three reads of the vectors, and a hash of each.
  QualityReport validate_embedding_quality(std::span<const QualityInput> embeddings,
                                           std::optional<double> min_quality_score = {}) const;
  QualityReport validate_embedding_quality(std::span<const ChunkEmbedding> embeddings,
                                           std::optional<double> min_quality_score = {}) const;

  // The score of one vector: [0, 1], by the rules of docs/generator.md.
  static double quality_score(std::span<const float> vector, std::string_view text);

  // Loads the model and computes a query and a paragraph a thread, warmup_iterations times, so that the next call finds
  // weights in memory and buffers made. Not counted in the statistics.
  void warm_up_model();

  ProcessingStats get_processing_stats() const;

  // Gives the model up (it is freed when no other generator uses it) and forgets the vectors in memory; those on disk
  // stay. Calls that are running keep the model until they end.
  void clear_cache();

  // The texts that failed in the call that ended last, in their order.
  std::vector<TextFailure> last_failures() const;

  // The loaded model, loaded now if it is not. Throws as Embedder::open. It stays valid as long as it is held.
  std::shared_ptr<const Embedder> model();
  bool model_loaded() const;
  // The loaded model's width; kModelDimension before it is loaded.
  size_t dimensions() const;
  const EmbeddingConfig& config() const;

  struct Impl;  // of the library itself

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace bgem3
#pragma GCC visibility pop
