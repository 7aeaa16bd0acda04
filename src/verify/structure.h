// Whether a model's tensors are there, have the right shapes and hold numbers. Start at check_structure.
#pragma once

#include "base/thread_pool.h"
#include "model/model_files.h"
#include "verify/checks.h"

namespace bgem3 {

// Checks config.json, the weights against it, and every value of them. Cost: reads the weights, with all threads of the
// pool, and gives their pages back: memory of a few megabytes.
void check_structure(const ModelFiles& files, ThreadPool& pool, Checks& checks);

}  // namespace bgem3
