// Opening a model: what needs no weights (files, config, tokenizer, threads, instruction set), then the weights, from
// the packed file or into it. Start at open_model.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/thread_pool.h"
#include "bgem3/model.h"
#include "bgem3/options.h"
#include "bgem3/tokenizer.h"
#include "encoder/packed_model.h"
#include "model/model_files.h"
#include "model/weights.h"

namespace bgem3 {

struct OpenedModel {
  ModelFiles files;
  std::optional<Tokenizer> tokenizer;  // there after open_model()
  ModelInfo info;
  Precision precision = Precision::f32;
  std::string packed_key;                  // what the packed file must be made for; empty: no packed file wanted
  std::shared_ptr<const Sections> packed;  // the packed file, if it is there and sound
  std::optional<Weights> weights;          // the model's own, if it is not
};

// Finds and reads everything but the values of the weights, and checks that the parts agree. Throws ModelLoadingError,
// InvalidInputError.
OpenedModel open_model(const OpenOptions& options);

// The weights of an opened model: from its packed file, which is built if it is not there; where that is not to be had,
// packed into memory, with a notice in `info`. Throws ModelLoadingError.
PackedModel load_packed_model(OpenedModel& opened, const Tokenizer& tokenizer, ModelInfo& info, Team& team);

}  // namespace bgem3
