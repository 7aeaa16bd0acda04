#include "bgem3/chunker.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings.h"
#include "choices.h"
#include "texts.h"

namespace bgem3::python {
namespace {

using namespace nb::literals;

// The fields of ChunkMetadata in their order; the content is text[start_char:end_char].
using Metadata =
    std::tuple<std::string, size_t, std::string, size_t, size_t, size_t, size_t, size_t, std::vector<std::string>>;

TextChunker open(size_t target_chunk_size, size_t min_chunk_size, size_t max_chunk_size, size_t overlap,
                 const std::string& unit, const std::string& model_name, const std::string& prompt,
                 const std::string& special_tokens_in_text) {
  return open_chunker({.target_chunk_size = target_chunk_size,
                       .min_chunk_size = min_chunk_size,
                       .max_chunk_size = max_chunk_size,
                       .overlap = overlap,
                       .unit = unit,
                       .model_name = model_name,
                       .prompt = prompt,
                       .special_tokens_in_text = parse_special_tokens(special_tokens_in_text)});
}

std::vector<Metadata> chunk(const TextChunker& chunker, nb::str text, std::optional<std::string> document_id) {
  const Texts texts(nb::make_tuple(text));
  std::vector<DocumentChunk> chunks = [&] {
    const nb::gil_scoped_release unlocked;
    return chunker.chunk_text(texts.views()[0], {.document_id = std::move(document_id)});
  }();
  std::vector<Metadata> result;
  for (DocumentChunk& chunk : chunks) {
    ChunkMetadata& data = chunk.text_chunk.metadata;
    result.emplace_back(std::move(data.chunk_id), data.token_count, to_string(data.chunk_type), data.start_byte,
                        data.end_byte, data.start_char, data.end_char, data.index, std::move(data.heading_path));
  }
  return result;
}

}  // namespace

void bind_chunker(nb::module_& module) {
  nb::class_<TextChunker>(module, "TextChunker")
      .def_static("open", open, "target_chunk_size"_a, "min_chunk_size"_a, "max_chunk_size"_a, "overlap"_a, "unit"_a,
                  "model_name"_a, "prompt"_a, "special_tokens_in_text"_a, nb::call_guard<nb::gil_scoped_release>())
      .def("chunk_text", chunk, "text"_a, "document_id"_a.none());
}

}  // namespace bgem3::python
