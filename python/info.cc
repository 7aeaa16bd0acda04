#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bgem3/model.h"
#include "bindings.h"

namespace bgem3::python {

void bind_info(nb::module_& module) {
  nb::class_<ModelConfig>(module, "ModelConfig", "Sizes and rules of an encoder, as its files state them.")
      .def_ro("model_type", &ModelConfig::model_type, "'xlm-roberta' or 'bert'.")
      .def_ro("hidden", &ModelConfig::hidden, "Width of a vector.")
      .def_ro("layers", &ModelConfig::layers)
      .def_ro("heads", &ModelConfig::heads)
      .def_ro("ffn", &ModelConfig::ffn, "Inner width of the feed-forward block.")
      .def_ro("vocab", &ModelConfig::vocab, "Rows of the word embedding table.")
      .def_ro("pad_id", &ModelConfig::pad_id, "Id of the padding token.")
      .def_ro("max_tokens", &ModelConfig::max_tokens, "Longest text in tokens, template tokens included.")
      .def_prop_ro(
          "pooling", [](const ModelConfig& config) { return to_string(config.pooling); }, "'cls' or 'mean'.")
      .def_ro("normalize", &ModelConfig::normalize, "The model's own last step scales vectors to length one.");

  nb::class_<ModelFile>(module, "ModelFile", "One file of a model.")
      .def_ro("name", &ModelFile::name, "Relative to the model's folder.")
      .def_ro("path", &ModelFile::path)
      .def_ro("size_bytes", &ModelFile::size_bytes)
      .def_ro("sha256", &ModelFile::sha256, "Lower-case hexadecimal; empty unless hash_files was asked for.")
      .def_ro("verified", &ModelFile::verified, "Against what: 'published', 'blob name', or empty: nothing.");

  nb::class_<PackedCacheFile>(module, "PackedCacheFile", "The file of weights in kernel order that starts map.")
      .def_ro("path", &PackedCacheFile::path, "Empty without a cache folder.")
      .def_ro("size_bytes", &PackedCacheFile::size_bytes)
      .def_ro("state", &PackedCacheFile::state, "'present', 'built', 'none', 'absent' or 'damaged'.");

  nb::class_<ModelInfo>(module, "ModelInfo", "What was read and decided when a model was opened.")
      .def_ro("name", &ModelInfo::name, "As the caller named it.")
      .def_ro("folder", &ModelInfo::folder, "Where its files are.")
      .def_ro("revision", &ModelInfo::revision, "Commit of a Hugging Face cache snapshot; empty for a plain folder.")
      .def_ro("config", &ModelInfo::config)
      .def_prop_ro(
          "outputs",
          [](const ModelInfo& info) {
            std::vector<std::string> names = {"dense"};
            if (info.outputs.sparse) names.push_back("sparse");
            if (info.outputs.multi) names.push_back("multi");
            return names;
          },
          "Those that the model has: 'dense', 'sparse', 'multi'.")
      .def_ro("weights_format", &ModelInfo::weights_format, "'safetensors' or 'pytorch'.")
      .def_ro("tokenizer", &ModelInfo::tokenizer, "'unigram' or 'wordpiece'.")
      .def_ro("prompts", &ModelInfo::prompts, "Name to text.")
      .def_ro("default_prompt", &ModelInfo::default_prompt, "Name of the prompt that the model asks for; or empty.")
      .def_ro("files", &ModelInfo::files, "Those that were read.")
      .def_ro("verification", &ModelInfo::verification, "Of all files: 'published', 'blob names' or 'unverified'.")
      .def_ro("dtype", &ModelInfo::dtype, "'f32', 'bf16' or 'int8'.")
      .def_ro("isa", &ModelInfo::isa, "Instruction set in use.")
      .def_ro("isas_present", &ModelInfo::isas_present, "Those this machine could use, slowest first.")
      .def_ro("threads", &ModelInfo::threads, "In use.")
      .def_ro("threads_reason", &ModelInfo::threads_reason, "Why so many.")
      .def_ro("packed", &ModelInfo::packed)
      .def_ro("notices", &ModelInfo::notices, "What the user may want to know, one line each.")
      .def("__repr__", [](const ModelInfo& info) {
        return nb::str("<ModelInfo {!r}: {}, {}, {} threads>").format(info.name, info.dtype, info.isa, info.threads);
      });
}

}  // namespace bgem3::python
