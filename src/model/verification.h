// Whether a model's files are what their publisher says, as far as that is known here. Start at verify_files.
#pragma once

#include <string>
#include <string_view>

#include "model/model_digest.h"
#include "model/model_files.h"

namespace bgem3 {

// The revision of a repository that is taken where none is named: for BAAI/bge-m3 the commit whose files' digests are
// known here, for any other "main".
std::string pinned_revision(std::string_view repository);

// The published SHA-256 of a file of that commit, or of another one of bge-m3 that is listed here; empty if there is
// none.
std::string_view published_sha256(std::string_view commit, std::string_view name);

// What a file was compared with, and what came of it.
struct FileVerdict {
  std::string source;    // as ModelFile::verified; empty: there is nothing to compare with
  std::string expected;  // the hash that the source has for it
  std::string found;     // that of its content

  bool matches() const { return expected == found; }
};

// Compares one of files.files, as verify_files does. `published`: the model is said to be the published bge-m3, so its
// files are compared with the published ones wherever they lie. Throws as FileHashes.
FileVerdict verify_file(const ModelFiles& files, const ModelFile& file, bool published, FileHashes& hashes);

// Compares each of files.files with
//   - the published digest, if the snapshot is one of the revisions of bge-m3 that are listed here,
//   - else the hash that the Hugging Face cache gave its content as a name (blobs/<sha256>, or <sha1> as git counts
//   it),
// and sets its `verified`. A plain folder has neither, but a copy of a published file is recognised. Answers how far
// the whole model is verified: as ModelInfo::verification. Throws ModelLoadingError (corrupt) with the file, what was
// expected and what was found, if a file of a snapshot differs. Cost: hashes the files, unless they are remembered.
std::string verify_files(ModelFiles& files, FileHashes& hashes);

}  // namespace bgem3
