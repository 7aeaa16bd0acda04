// Models from the Hugging Face hub into the cache that all its programs share. Start at pull_model. Only the program
// links this (target bgem3_hub, with libcurl): the library itself never touches the network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "bgem3/model.h"

#pragma GCC visibility push(default)
namespace bgem3 {

// How far a pull is: over all files of it, those that were there included.
struct PullProgress {
  uint64_t bytes_done = 0;         // in the cache, or in a partial file
  uint64_t bytes_total = 0;        // of all files
  uint64_t bytes_transferred = 0;  // of bytes_done, what came over the network in this call
  double seconds = 0;              // since the first byte was asked for
};

struct PullOptions {
  std::string model = "BAAI/bge-m3";  // "organisation/name[@revision]": a branch, a tag, "refs/pr/N" or a full commit.
                                      // Without one: the pinned commit of BAAI/bge-m3, whose files' digests bgem3 has;
                                      // "main" of any other repository
  bool latest = false;                // take "main", also of BAAI/bge-m3; not together with a revision

  // Callbacks run on the calling thread and must not throw.
  std::stop_token stop = {};  // heeded within a second; partial files stay, for the next call to go on with
  std::function<void(const PullProgress& progress)> on_progress = {};  // with every piece received
  std::function<void(const std::string& what)> on_notice = {};         // one line: a wait, another try, a restart
};

struct PulledFile {
  std::string name;  // in the repository: "1_Pooling/config.json"
  uint64_t size_bytes = 0;
  uint64_t bytes_transferred = 0;  // 0: it was there
};

struct PullResult {
  std::string repository;         // "BAAI/bge-m3"
  std::string revision;           // the commit
  std::string folder;             // its snapshot in the cache, ready for OpenOptions::model
  std::vector<PulledFile> files;  // those that bgem3 reads, weights last
};

// Brings the files of a model that bgem3 reads into the Hugging Face cache: model.safetensors, else its shards, else
// pytorch_model.bin; tokenizer, configuration and the heads of bge-m3's other two outputs. What is there and has the
// content that its name promises is kept, what is damaged is fetched again. A full commit of which everything is there
// needs no network.
//   Each file is written as blobs/<etag>.incomplete, under the lock that huggingface_hub takes, hashed while it is
// written, and gets its name only when size and hash are right. refs/<revision> is written last. At any moment the
// cache is one that bgem3 and huggingface_hub can use; a partial file is gone on with by the next call, also after
// kill -9. One connection; memory does not grow with the files (about 20 MB).
//   Environment: HF_ENDPOINT, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN,
// HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE, HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT, HF_HUB_DISABLE_SYMLINKS, those of
// the cache (docs/model_files.md), and libcurl's of proxies (https_proxy, no_proxy, ...). The token goes to the
// endpoint alone, never to a storage host that it redirects to.
//   Throws InvalidInputError: a name that is none, a variable that cannot be read. ModelLoadingError: not_found
// (repository, revision or file), unsupported (a model that bgem3 does not run, known before its weights are fetched),
// corrupt (size or hash is not as promised; the partial file is removed), io (network, access, disk). Thread-safe:
// calls, and processes, that want the same file wait for each other.
PullResult pull_model(const PullOptions& options);

// True if opening the model fails because its files are not in the Hugging Face cache, so that pull_model may help.
// False for a folder and for what is no name of a repository.
bool is_missing_from_cache(const std::string& model);

enum class UpdateStatus {
  up_to_date,
  update_available,
  not_installed,  // the cache has no complete revision of the repository that bgem3 would load by default
};
const char* to_string(UpdateStatus status);

// A file that bgem3 reads and that differs between two revisions.
struct FileChange {
  std::string name;
  std::string part;    // "weights", "tokenizer" or "config"
  std::string change;  // "changed", "added" or "removed"
};

struct UpdateCheck {
  std::string repository;
  UpdateStatus status = UpdateStatus::not_installed;
  std::string installed;            // the commit that OpenOptions::model = repository loads; empty if none
  std::string latest;               // the commit that the hub calls main
  std::vector<FileChange> changes;  // from installed to latest
  bool compatible = true;           // bgem3 runs the latest revision, as far as its configuration tells
  std::string incompatibility;      // why not, one line
  uint64_t download_bytes = 0;      // that pulling the latest revision would transfer
};

// Asks the hub whether "main" of a repository is another revision than the cached one, and what changed. Of files only
// configuration is fetched, into memory; the cache is not written. Throws as pull_model. `repository`:
// "organisation/name".
UpdateCheck check_for_update(const std::string& repository, std::stop_token stop = {});

}  // namespace bgem3
#pragma GCC visibility pop
