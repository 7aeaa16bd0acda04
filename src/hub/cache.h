// One repository's part of the Hugging Face cache, laid out as huggingface_hub does:
//   <cache>/models--<org>--<name>/blobs/<etag>              contents
//   <cache>/models--<org>--<name>/snapshots/<commit>/...    relative links to them
//   <cache>/models--<org>--<name>/refs/<revision>           text: a commit
//   <cache>/models--<org>--<name>/.no_exist/<commit>/...    empty: files that the commit does not have
//   <cache>/.locks/models--<org>--<name>/<etag>.lock        who holds it (flock) writes the blob
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>

#include "hub/protocol.h"

namespace bgem3 {

// Every function that writes throws ModelLoadingError (io). Names come from the network: those that would leave their
// folder throw ModelLoadingError (corrupt).
class RepositoryCache {
 public:
  RepositoryCache(std::string cache, const std::string& repository, bool symlinks);

  std::string snapshot(std::string_view commit) const;
  std::string snapshot_path(std::string_view commit, std::string_view name) const;
  std::string blob_path(std::string_view etag) const;
  std::string lock_path(std::string_view etag) const;

  // Makes the folders, and marks the cache as one for backup programs.
  void prepare() const;
  // Bytes that the disk of the cache has left for this user.
  uint64_t free_bytes() const;

  // Puts a blob into a snapshot: as a link, or, where there are none, as the file itself. `fresh`: nobody else has the
  // blob yet, so that it may be moved.
  void add(std::string_view commit, std::string_view name, std::string_view etag, bool fresh) const;
  // The etag that a snapshot's file was stored under; empty if it is no link to a blob.
  std::string etag_of(std::string_view commit, std::string_view name) const;

  // refs/<revision> = commit, unless it says so.
  void write_reference(std::string_view revision, std::string_view commit) const;
  bool has_reference(std::string_view revision) const;

  // Remembers, or asks, that a commit does not have a file.
  void mark_absent(std::string_view commit, std::string_view name) const;
  bool is_marked_absent(std::string_view commit, std::string_view name) const;

 private:
  std::string below(std::string_view folder, std::string_view name) const;

  std::string cache_, folder_, locks_;
  bool symlinks_;
};

// The lock under which huggingface_hub writes a blob: flock on a file that stays. Held until the end of its life.
class BlobLock {
 public:
  // Waits for other processes, with a notice. Throws ModelLoadingError (io), EmbeddingGenerationError (cancelled).
  BlobLock(const std::string& path, std::stop_token stop, const Notice& notice, std::string_view what);
  ~BlobLock();
  BlobLock(const BlobLock&) = delete;
  BlobLock& operator=(const BlobLock&) = delete;

  // False on a file system without flock: then others may write the same blob.
  bool is_exclusive() const { return exclusive_; }

 private:
  int descriptor_ = -1;
  bool exclusive_ = true;
};

}  // namespace bgem3
