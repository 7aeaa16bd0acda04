// The decisions of opening a model that need no weights: files, config, threads, instruction set.
#pragma once

#include "bgem3/model.h"
#include "bgem3/options.h"
#include "bgem3/tokenizer.h"
#include "model/model_files.h"

namespace bgem3 {

struct OpenedModel {
  ModelFiles files;
  Tokenizer tokenizer;
  ModelInfo info;
};

// Finds and reads everything but the weights, and checks that the parts agree. Throws ModelLoadingError,
// InvalidInputError.
OpenedModel open_model(const OpenOptions& options);

}  // namespace bgem3
