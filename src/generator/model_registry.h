// Loaded models that generators share. Start at share_model.
#pragma once

#include <memory>
#include <string>

#include "bgem3/embedder.h"

namespace bgem3 {

struct LoadedModel {
  Embedder embedder;
  std::string version;  // EmbeddingMetadata::model_version
  std::string digest;   // of the files' content and the dtype: equal digests, equal vectors
};

// Loads a model for the caller alone. Throws as Embedder::open.
std::shared_ptr<const LoadedModel> load_model(const OpenOptions& options);

// The same, or the model that another caller has: one of the same files (by folder, size and times), dtype, threads
// and memory ceiling, loaded once however many ask at the same time, freed with the last pointer to it.
std::shared_ptr<const LoadedModel> share_model(const OpenOptions& options);

}  // namespace bgem3
