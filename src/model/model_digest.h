// What content the files of a model have, remembered so that each is hashed once. Start at FileHashes and model_digest.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/model_files.h"

namespace bgem3 {

// The SHA-256 of files, remembered in `cache_folder`/digests by the file's device, inode, size and times, so that only
// a new or changed file is read (1.3 s for bge-m3's weights). Where the folder cannot be read or written, and for an
// empty one, files are read every time. Any number of processes may share the folder.
class FileHashes {
 public:
  // read_all: files are read whatever is remembered of them.
  explicit FileHashes(std::string cache_folder, bool read_all = false);

  // As hexadecimal. A file is read once in the life of this object. Throws ModelLoadingError (not_found, io),
  // InferenceError (io): it cannot be read.
  const std::string& sha256(const std::string& path);

  // Writes down what was learnt since.
  void remember();

 private:
  const std::string memory_;  // the file; empty: none
  const bool read_all_;
  std::vector<std::string> known_, learnt_;   // lines of that file
  std::map<std::string, std::string> asked_;  // by path
};

// SHA-256, as hexadecimal, over the files that packed weights are made of: config.json, tokenizer.json, the heads, the
// weights and their index, each by name and content. Throws as FileHashes.
std::string model_digest(const ModelFiles& files, FileHashes& hashes);

}  // namespace bgem3
