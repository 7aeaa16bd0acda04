#include "bgem3/generator.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "choices.h"
#include "texts.h"
#include "watch.h"

namespace bgem3::python {
namespace {

using namespace nb::literals;

// The fields of EmbeddingMetadata in their order, the time in seconds since 1970.
using Metadata = std::tuple<std::string, std::string, std::string, double, double, size_t, bool, double, std::string>;
using Failure = std::tuple<size_t, std::string, std::string>;                            // index, code, reason
using Issue = std::tuple<std::string, std::optional<size_t>, double, std::string>;       // of QualityIssue
using Report = std::tuple<size_t, double, bool, bool, size_t, std::vector<std::string>,  // of QualityReport
                          nb::typed<nb::dict, nb::str, double>, std::vector<Issue>>;
using Vector = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Fields = nb::typed<nb::dict, nb::str, nb::object>;
using EventCallback = nb::typed<nb::callable, void(nb::str, nb::str, nb::str, Fields)>;  // level, name, message, fields

const char* to_string(EventLevel level) {
  switch (level) {
    case EventLevel::debug:
      return "DEBUG";
    case EventLevel::info:
      return "INFO";
    case EventLevel::warning:
      return "WARNING";
    case EventLevel::error:
      return "ERROR";
  }
  return "ERROR";
}

EmbeddingConfig to_config(nb::handle config) {
  const auto text = [&](const char* name) { return nb::cast<std::string>(config.attr(name)); };
  const auto count = [&](const char* name) { return nb::cast<int64_t>(config.attr(name)); };
  const auto flag = [&](const char* name) { return nb::cast<bool>(config.attr(name)); };
  return {.model_name = text("model_name"),
          .batch_size = count("batch_size"),
          .max_sequence_length = count("max_sequence_length"),
          .normalize_embeddings = flag("normalize_embeddings"),
          .device = text("device"),
          .cache_model = flag("cache_model"),
          .cache_embeddings = flag("cache_embeddings"),
          .max_memory_gb = nb::cast<double>(config.attr("max_memory_gb")),
          .num_threads = count("num_threads"),
          .deterministic = flag("deterministic"),
          .warmup_iterations = count("warmup_iterations"),
          .dtype = text("dtype"),
          .model_revision = text("model_revision"),
          .cache_dir = text("cache_dir"),
          .embedding_cache_bytes = count("embedding_cache_bytes"),
          .embedding_cache_path = text("embedding_cache_path"),
          .on_error = parse_choice<TextErrors>("on_error", text("on_error"), {"zero", TextErrors::zero},
                                               {"raise", TextErrors::raise}),
          .special_tokens_in_text = parse_special_tokens(text("special_tokens_in_text")),
          .max_text_bytes = count("max_text_bytes"),
          .max_texts_per_call = count("max_texts_per_call"),
          .max_total_tokens = count("max_total_tokens"),
          .history_path = text("history_path")};
}

EventHandler to_handler(EventCallback on_event) {
  // Shared: the library may copy a handler where Python's lock is not held.
  const std::shared_ptr<nb::callable> callback(new nb::callable(std::move(on_event)), [](nb::callable* held) {
    const nb::gil_scoped_acquire lock;
    delete held;
  });
  return [callback](const Event& event) {
    if (Watch::is_stopping()) return;
    Watch::call_python([&] {
      Fields fields;
      for (const auto& [name, value] : event.fields) fields[name.c_str()] = nb::cast(value);
      (*callback)(to_string(event.level), event.name, event.message, fields);
    });
  };
}

void construct(EmbeddingGenerator* self, nb::object config, EventCallback on_event) {
  new (self) EmbeddingGenerator(to_config(config), to_handler(std::move(on_event)));
}

Matrix make_matrix(EmbeddingMatrix matrix) {
  const size_t texts = matrix.texts, dimensions = matrix.dimensions;
  return keep_as_array(std::move(matrix.values), texts, dimensions,
                       [](std::vector<float>& values) { return values.data(); });
}

std::pair<Matrix, std::vector<Metadata>> generate(EmbeddingGenerator& generator, Strings given,
                                                  const std::vector<std::string>& ids, nb::object progress) {
  const Texts texts(std::move(given));
  std::vector<ChunkInput> chunks;
  for (size_t i = 0; i < ids.size(); i++) chunks.push_back({.text = texts.views()[i], .chunk_id = ids[i]});
  CallOptions options;
  Watch watch(std::move(progress), chunks.size(), std::stop_source());
  watch.attach(options);
  GeneratedEmbeddings generated = watch.run([&] { return generator.generate_embeddings(chunks, options); });
  std::vector<Metadata> metadata;
  for (ChunkEmbedding& chunk : generated.chunks) {
    EmbeddingMetadata& data = chunk.metadata;
    const double seconds = std::chrono::duration<double>(data.generation_timestamp.time_since_epoch()).count();
    metadata.emplace_back(std::move(data.chunk_id), std::move(data.embedding_hash), std::move(data.model_version),
                          seconds, data.processing_time_ms, data.sequence_length, data.was_truncated,
                          data.quality_score, std::move(data.error));
  }
  return {make_matrix(std::move(generated.matrix)), std::move(metadata)};
}

template <typename Process>
Matrix process(Strings given, nb::object progress, Process compute) {
  const Texts texts(std::move(given));
  CallOptions options;
  Watch watch(std::move(progress), texts.views().size(), std::stop_source());
  watch.attach(options);
  return make_matrix(watch.run([&] { return compute(std::span(texts.views()), options); }));
}

Report validate(const EmbeddingGenerator& generator, const std::vector<Vector>& vectors, Strings given,
                const std::vector<double>& scores, const std::vector<double>& times,
                const std::vector<std::string>& errors, std::optional<double> min_quality_score) {
  const Texts texts(std::move(given));
  std::vector<QualityInput> inputs;
  for (size_t i = 0; i < vectors.size(); i++) {
    inputs.push_back({.vector = {vectors[i].data(), vectors[i].size()},
                      .text = texts.views()[i],
                      .quality_score = scores[i],
                      .processing_time_ms = times[i],
                      .error = errors[i]});
  }
  const QualityReport report = [&] {
    const nb::gil_scoped_release unlocked;
    return generator.validate_embedding_quality(inputs, min_quality_score);
  }();
  nb::typed<nb::dict, nb::str, double> metrics;
  const PerformanceMetrics& measured = report.performance_metrics;
  metrics["avg_processing_time_ms"] = measured.avg_processing_time_ms;
  metrics["median_processing_time_ms"] = measured.median_processing_time_ms;
  metrics["max_processing_time_ms"] = measured.max_processing_time_ms;
  metrics["total_processing_time_s"] = measured.total_processing_time_s;
  std::vector<Issue> issues;
  for (const QualityIssue& issue : report.issues) {
    issues.emplace_back(issue.kind, issue.index, issue.value, issue.message);
  }
  return {report.total_embeddings, report.avg_quality_score, report.dimension_consistency, report.normalization_status,
          report.outlier_count,    report.processing_issues, std::move(metrics),           std::move(issues)};
}

Fields stats(const EmbeddingGenerator& generator) {
  const ProcessingStats stats = generator.get_processing_stats();
  Fields result;
  result["total_embeddings"] = stats.total_embeddings;
  result["total_processing_time"] = stats.total_processing_time;
  result["average_batch_size"] = stats.average_batch_size;
  result["memory_usage_peak"] = stats.memory_usage_peak;
  result["avg_time_per_embedding"] = stats.avg_time_per_embedding;
  result["batches"] = stats.batches;
  result["tokens"] = stats.tokens;
  result["tokens_per_second"] = stats.tokens_per_second;
  result["truncated"] = stats.truncated;
  result["failed"] = stats.failed;
  result["cache_hits"] = stats.cache_hits;
  result["cache_misses"] = stats.cache_misses;
  result["cache_bytes"] = stats.cache_bytes;
  result["model_load_seconds"] = stats.model_load_seconds;
  result["isa"] = stats.isa;
  result["dtype"] = stats.dtype;
  result["threads"] = stats.threads;
  return result;
}

std::vector<Failure> failures(const EmbeddingGenerator& generator) {
  std::vector<Failure> result;
  for (const TextFailure& failure : generator.last_failures()) {
    result.emplace_back(failure.index, bgem3::to_string(failure.code), failure.reason);
  }
  return result;
}

}  // namespace

void bind_generator(nb::module_& module) {
  // The lock is released wherever the library may wait or tell of an event.
  using Unlocked = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<EmbeddingGenerator>(module, "EmbeddingGenerator")
      .def("__init__", construct, "config"_a, "on_event"_a)
      .def("generate_embeddings", generate, "texts"_a, "chunk_ids"_a, "progress"_a.none())
      .def(
          "batch_process",
          [](EmbeddingGenerator& self, Strings texts, int64_t batch_size, nb::object progress) {
            return process(std::move(texts), std::move(progress),
                           [&](std::span<const std::string_view> views, const CallOptions& options) {
                             return self.batch_process(views, batch_size, options);
                           });
          },
          "texts"_a, "batch_size"_a, "progress"_a.none())
      .def(
          "safe_process",
          [](EmbeddingGenerator& self, Strings texts, nb::object progress) {
            return process(std::move(texts), std::move(progress),
                           [&](std::span<const std::string_view> views, const CallOptions& options) {
                             return self.safe_process(views, options);
                           });
          },
          "texts"_a, "progress"_a.none())
      .def("validate_embedding_quality", validate, "vectors"_a, "texts"_a, "quality_scores"_a, "processing_times_ms"_a,
           "errors"_a, "min_quality_score"_a.none())
      .def("warm_up_model", &EmbeddingGenerator::warm_up_model, Unlocked())
      .def("get_processing_stats", stats)
      .def("clear_cache", &EmbeddingGenerator::clear_cache, Unlocked())
      .def("last_failures", failures)
      .def(
          "model", [](EmbeddingGenerator& self) { return std::const_pointer_cast<Embedder>(self.model()); }, Unlocked())
      .def_prop_ro("model_loaded", &EmbeddingGenerator::model_loaded)
      .def_prop_ro("dimensions", &EmbeddingGenerator::dimensions);
}

}  // namespace bgem3::python
