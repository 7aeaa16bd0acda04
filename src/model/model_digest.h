// What content a model has, remembered so that its files are hashed once. Start at model_digest.
#pragma once

#include <string>

#include "model/model_files.h"

namespace bgem3 {

// SHA-256, as hexadecimal, over the files that packed weights are made of: config.json, tokenizer.json, the weights and
// their index, each by name and content. The hash of a file is remembered in `cache_folder`/digests by the file's
// device, inode, size and times, so that only a new or changed file is read (1.3 s for bge-m3's weights); where the
// folder cannot be written, it is read every time. Any number of processes may share the folder.
// Throws ModelLoadingError (not_found, io), InferenceError (io): a model file cannot be read.
std::string model_digest(const ModelFiles& files, const std::string& cache_folder);

}  // namespace bgem3
