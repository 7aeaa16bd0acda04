// Whether content is what its etag says. Start at ContentHash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/sha256.h"
#include "base/weak_hashes.h"
#include "model/model_digest.h"

namespace bgem3 {

// The hashes of a file that comes piece by piece: what its etag is (SHA-256, or the SHA-1 of a git blob), and the
// SHA-256 that was published for it, where there is one.
class ContentHash {
 public:
  // published: 64 hexadecimal digits, or empty.
  ContentHash(std::string etag, std::string published, uint64_t size_bytes);

  void add(std::span<const std::byte> bytes);

  struct Mismatch {
    std::string source;  // who says so: "its etag", "the list of bge-m3's files"
    std::string expected;
    std::string found;
  };
  // Nothing if all hashes are right, or there is none to compare. Nothing may be added after it.
  std::optional<Mismatch> finish();

 private:
  std::string etag_, published_;
  std::optional<Sha256> sha256_;
  std::optional<Sha1> sha1_;
};

// True if there is a file of that size, and its content has the hashes that it is known by: its etag, if that is one,
// and the published SHA-256, if that is not empty. Cost: reads the file, unless its hash is remembered.
bool is_intact(const std::string& path, const std::string& etag, const std::string& published, uint64_t size_bytes,
               FileHashes& hashes);

}  // namespace bgem3
