#include "bgem3/embedder.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <tuple>
#include <utility>

#include "arrays.h"
#include "bindings.h"
#include "choices.h"
#include "texts.h"
#include "watch.h"

namespace bgem3::python {
namespace {

using namespace nb::literals;

using Failure = std::tuple<size_t, std::string, std::string>;  // index, code, message

// Of texts end to end: starts [texts + 1], ids and weights.
using Sparse = std::tuple<Column<int64_t>, Column<uint32_t>, Column<float>>;
// Of texts end to end: starts [texts + 1], vectors.
using Multi = std::tuple<Column<int64_t>, Matrix>;
// dense, sparse, multi (those that were asked for), tokens, truncated, windows, replaced_utf8, failures
using Embedded = std::tuple<std::optional<Matrix>, std::optional<Sparse>, std::optional<Multi>, Column<int64_t>,
                            Column<bool>, Column<int64_t>, Column<int64_t>, std::vector<Failure>>;
// ids, tokens, offsets in characters, truncated, replaced_utf8
using Tokenized = std::tuple<std::vector<uint32_t>, nb::typed<nb::list, nb::str>,
                             std::vector<std::pair<size_t, size_t>>, bool, size_t>;

InvalidUtf8 parse_invalid_utf8(const std::string& name) {
  return parse_choice<InvalidUtf8>("invalid_utf8", name, {"error", InvalidUtf8::error},
                                   {"replace", InvalidUtf8::replace});
}

// Rows of the result's own memory, which lives as long as one of its arrays.
Matrix share_rows(const std::shared_ptr<EmbedResult>& result, std::span<const float> values) {
  const size_t columns = result->dimensions();
  return keep_as_array(result, columns ? values.size() / columns : 0, columns,
                       [&](const std::shared_ptr<EmbedResult>&) { return const_cast<float*>(values.data()); });
}

// `failed`: [texts], not computed whatever the result says.
Sparse make_sparse(const EmbedResult& result, const std::vector<bool>& failed) {
  std::vector<int64_t> starts = {0};
  std::vector<uint32_t> ids;
  std::vector<float> weights;
  for (size_t i = 0; i < result.texts(); i++) {
    if (!failed[i]) {
      ids.insert(ids.end(), result[i].sparse_ids.begin(), result[i].sparse_ids.end());
      weights.insert(weights.end(), result[i].sparse_weights.begin(), result[i].sparse_weights.end());
    }
    starts.push_back(static_cast<int64_t>(ids.size()));
  }
  return {make_column<int64_t>(starts.size(), [&](size_t i) { return starts[i]; }),
          make_column<uint32_t>(ids.size(), [&](size_t i) { return ids[i]; }),
          make_column<float>(weights.size(), [&](size_t i) { return weights[i]; })};
}

void fail_rows(const Matrix& vectors, size_t first, size_t last) {
  std::fill(vectors.data() + first * vectors.shape(1), vectors.data() + last * vectors.shape(1),
            std::numeric_limits<float>::quiet_NaN());
}

Embedded embed(const Embedder& embedder, Strings given, const Outputs& outputs, size_t max_tokens,
               const std::string& long_text, const std::optional<std::string>& pooling, std::optional<bool> normalize,
               const std::string& prompt, size_t truncate_dim, const std::string& special_tokens_in_text,
               const std::string& invalid_utf8, nb::object progress, const std::stop_source& stop) {
  const Texts texts(std::move(given));
  EmbedOptions options{.outputs = outputs,
                       .max_tokens = max_tokens,
                       .long_text = parse_choice<LongText>("long_text", long_text, {"truncate", LongText::truncate},
                                                           {"windows", LongText::windows}),
                       .normalize = normalize,
                       .prompt = prompt,
                       .truncate_dim = truncate_dim,
                       .special_tokens_in_text = parse_special_tokens(special_tokens_in_text),
                       .invalid_utf8 = parse_invalid_utf8(invalid_utf8)};
  if (pooling) options.pooling = parse_pooling(*pooling);
  Watch watch(std::move(progress), texts.views().size(), stop);
  watch.attach(options);
  const auto result =
      std::make_shared<EmbedResult>(watch.run([&] { return embedder.embed(std::span(texts.views()), options); }));

  const size_t count = result->texts();
  std::vector<bool> failed(count, false);
  for (const size_t index : texts.no_texts()) failed[index] = true;  // computed as empty texts
  auto tokens = make_column<int64_t>(count, [&](size_t i) { return failed[i] ? 0 : (*result)[i].tokens; });
  auto truncated = make_column<bool>(count, [&](size_t i) { return (*result)[i].truncated; });
  auto windows = make_column<int64_t>(count, [&](size_t i) { return (*result)[i].windows; });
  auto replaced = make_column<int64_t>(count, [&](size_t i) { return (*result)[i].replaced_utf8; });
  std::vector<Failure> failures;
  for (size_t i = 0; i < count; i++) {
    const Embedding& embedding = (*result)[i];
    if (failed[i]) {
      failures.emplace_back(i, to_string(ErrorCode::invalid_input), "the text is " + texts.reason(i));
    } else if (embedding.error) {
      failures.emplace_back(i, to_string(*embedding.error), embedding.error_message);
    }
  }
  std::optional<Matrix> dense;
  if (outputs.dense) {
    dense = share_rows(result, result->dense());
    for (const size_t index : texts.no_texts()) fail_rows(*dense, index, index + 1);
  }
  std::optional<Sparse> sparse;
  if (outputs.sparse) sparse = make_sparse(*result, failed);
  std::optional<Multi> multi;
  if (outputs.multi) {
    const std::span<const size_t> starts = result->multi_offsets();
    const Matrix vectors = share_rows(result, result->multi());
    for (const size_t index : texts.no_texts()) fail_rows(vectors, starts[index], starts[index + 1]);
    multi = {make_column<int64_t>(starts.size(), [&](size_t i) { return starts[i]; }), vectors};
  }
  return {std::move(dense),     std::move(sparse),  std::move(multi),    std::move(tokens),
          std::move(truncated), std::move(windows), std::move(replaced), std::move(failures)};
}

bool starts_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

std::vector<ByteRange> to_bytes(const std::vector<std::pair<int64_t, int64_t>>& spans, std::string_view text) {
  std::vector<size_t> byte_of;  // of each character, and the end
  for (size_t i = 0; i < text.size(); i++) {
    if (starts_character(text[i])) byte_of.push_back(i);
  }
  byte_of.push_back(text.size());
  std::vector<ByteRange> ranges;
  ranges.reserve(spans.size());
  for (const auto& [begin, end] : spans) {
    if (begin < 0 || begin >= end || end >= static_cast<int64_t>(byte_of.size())) {
      throw InvalidInputError(ErrorCode::invalid_input,
                              "span " + std::to_string(ranges.size()) + ": characters " + std::to_string(begin) +
                                  " to " + std::to_string(end) + ", expected a part of the document's " +
                                  std::to_string(byte_of.size() - 1) + " characters that is not empty");
    }
    ranges.push_back({byte_of[static_cast<size_t>(begin)], byte_of[static_cast<size_t>(end)]});
  }
  return ranges;
}

// vectors, tokens, failures
std::tuple<Matrix, Column<int64_t>, std::vector<Failure>> embed_spans(
    const Embedder& embedder, nb::str document, const std::vector<std::pair<int64_t, int64_t>>& spans,
    size_t max_tokens, std::optional<bool> normalize, const std::string& prompt, size_t truncate_dim,
    const std::string& special_tokens_in_text, const std::string& invalid_utf8) {
  const Texts texts(Strings(nb::make_tuple(std::move(document))));
  const std::string_view text = texts.views().front();
  const std::vector<ByteRange> ranges = to_bytes(spans, text);
  EmbedOptions options{.max_tokens = max_tokens,
                       .normalize = normalize,
                       .prompt = prompt,
                       .truncate_dim = truncate_dim,
                       .special_tokens_in_text = parse_special_tokens(special_tokens_in_text),
                       .invalid_utf8 = parse_invalid_utf8(invalid_utf8)};
  Watch watch(nb::none(), ranges.size(), std::stop_source());
  watch.attach(options);
  const auto result =
      std::make_shared<EmbedResult>(watch.run([&] { return embedder.embed_spans(text, ranges, options); }));
  std::vector<Failure> failures;
  for (size_t i = 0; i < result->texts(); i++) {
    const Embedding& embedding = (*result)[i];
    if (embedding.error) failures.emplace_back(i, to_string(*embedding.error), embedding.error_message);
  }
  auto tokens = make_column<int64_t>(result->texts(), [&](size_t i) { return (*result)[i].tokens; });
  return {share_rows(result, result->dense()), std::move(tokens), std::move(failures)};
}

std::vector<std::pair<size_t, size_t>> to_characters(const std::vector<ByteRange>& ranges, std::string_view text) {
  std::vector<size_t> characters_before(text.size() + 1, 0);
  for (size_t i = 0; i < text.size(); i++) characters_before[i + 1] = characters_before[i] + starts_character(text[i]);
  std::vector<std::pair<size_t, size_t>> offsets;
  offsets.reserve(ranges.size());
  for (const ByteRange& range : ranges) {
    const bool inside = range.begin < text.size() && !starts_character(text[range.begin]);
    offsets.emplace_back(characters_before[range.begin] - inside, characters_before[range.end]);
  }
  return offsets;
}

std::vector<Tokenized> tokenize(const Embedder& embedder, Strings given, size_t max_tokens, bool add_special_tokens,
                                const std::string& special_tokens_in_text, const std::string& invalid_utf8) {
  const Texts texts(std::move(given));
  if (!texts.no_texts().empty()) {
    const size_t index = texts.no_texts().front();
    throw InvalidInputError(ErrorCode::invalid_input, "text " + std::to_string(index) + ": " + texts.reason(index));
  }
  const EncodeOptions options{.max_tokens = max_tokens ? max_tokens : SIZE_MAX,
                              .add_special_tokens = add_special_tokens,
                              .special_tokens_in_text = parse_special_tokens(special_tokens_in_text),
                              .invalid_utf8 = parse_invalid_utf8(invalid_utf8)};
  const Tokenizer& tokenizer = embedder.tokenizer();
  std::vector<Tokenized> results;
  for (const std::string_view text : texts.views()) {
    Encoding encoding;
    std::vector<std::pair<size_t, size_t>> offsets;
    {
      const nb::gil_scoped_release unlocked;
      encoding = tokenizer.encode(text, options);
      offsets = to_characters(encoding.offsets, text);
    }
    nb::typed<nb::list, nb::str> tokens;
    for (const uint32_t id : encoding.ids) {
      const std::string_view token = tokenizer.token(id);
      tokens.append(nb::str(token.data(), token.size()));
    }
    results.emplace_back(std::move(encoding.ids), std::move(tokens), std::move(offsets), encoding.truncated,
                         encoding.replaced_utf8);
  }
  return results;
}

Embedder open(const std::string& model, const std::string& dtype, const std::string& isa, int threads,
              size_t pass_tokens, size_t max_memory_bytes, bool packed_cache, const std::string& cache_dir,
              bool hash_files) {
  return Embedder::open({.model = model,
                         .dtype = dtype,
                         .isa = isa,
                         .threads = threads,
                         .pass_tokens = pass_tokens,
                         .max_memory_bytes = max_memory_bytes,
                         .packed_cache = packed_cache,
                         .cache_dir = cache_dir,
                         .hash_files = hash_files});
}

}  // namespace

void bind_embedder(nb::module_& module) {
  nb::class_<std::stop_source>(module, "StopSource", "Cancels the calls it is given to, from any thread.")
      .def(nb::init<>())
      .def("request_stop", &std::stop_source::request_stop);

  nb::class_<Outputs>(module, "Outputs", "Which outputs a call computes.")
      .def(
          "__init__",
          [](Outputs* self, bool dense, bool sparse, bool multi) {
            new (self) Outputs{dense, sparse, multi};
          },
          nb::kw_only(), "dense"_a, "sparse"_a, "multi"_a);

  nb::class_<Embedder>(module, "Embedder")
      .def_static("open", open, "model"_a, nb::kw_only(), "dtype"_a, "isa"_a, "threads"_a, "pass_tokens"_a,
                  "max_memory_bytes"_a, "packed_cache"_a, "cache_dir"_a, "hash_files"_a,
                  nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("info", &Embedder::info)
      .def("embed", embed, "texts"_a, nb::kw_only(), "outputs"_a, "max_tokens"_a, "long_text"_a, "pooling"_a.none(),
           "normalize"_a.none(), "prompt"_a, "truncate_dim"_a, "special_tokens_in_text"_a, "invalid_utf8"_a,
           "progress"_a.none(), "stop"_a)
      .def("embed_spans", embed_spans, "document"_a, "spans"_a, nb::kw_only(), "max_tokens"_a, "normalize"_a.none(),
           "prompt"_a, "truncate_dim"_a, "special_tokens_in_text"_a, "invalid_utf8"_a)
      .def("tokenize", tokenize, "texts"_a, nb::kw_only(), "max_tokens"_a = 0, "add_special_tokens"_a = true,
           "special_tokens_in_text"_a = "match", "invalid_utf8"_a = "error")
      .def(
          "decode",
          [](const Embedder& embedder, const std::vector<uint32_t>& ids, bool skip_special_tokens) {
            return embedder.tokenizer().decode(ids, skip_special_tokens);
          },
          "ids"_a, "skip_special_tokens"_a);
}

}  // namespace bgem3::python
