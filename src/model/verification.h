// Whether a model's files are what their publisher says, as far as that is known here. Start at verify_files.
#pragma once

#include <string>

#include "model/model_digest.h"
#include "model/model_files.h"

namespace bgem3 {

// Compares each of files.files with
//   - the published digest, if the snapshot is one of the revisions of bge-m3 that are listed here,
//   - else the hash that the Hugging Face cache gave its content as a name (blobs/<sha256>, or <sha1> as git counts
//   it),
// and sets its `verified`. A plain folder has neither, but a copy of a published file is recognised. Answers how far
// the whole model is verified: as ModelInfo::verification. Throws ModelLoadingError (corrupt) with the file, what was
// expected and what was found, if a file of a snapshot differs. Cost: hashes the files, unless they are remembered.
std::string verify_files(ModelFiles& files, FileHashes& hashes);

}  // namespace bgem3
