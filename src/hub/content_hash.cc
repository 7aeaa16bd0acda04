#include "hub/content_hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/file.h"
#include "hub/names.h"

namespace bgem3 {

ContentHash::ContentHash(std::string etag, std::string published, uint64_t size_bytes)
    : etag_(std::move(etag)), published_(std::move(published)) {
  if (is_sha256(etag_) || !published_.empty()) sha256_.emplace();
  if (is_git_sha1(etag_)) {
    sha1_.emplace();
    const std::string header = fmt::format("blob {}", size_bytes) + '\0';
    sha1_->add(std::as_bytes(std::span(header)));
  }
}

void ContentHash::add(std::span<const std::byte> bytes) {
  if (sha256_) sha256_->add(bytes);
  if (sha1_) sha1_->add(bytes);
}

std::optional<ContentHash::Mismatch> ContentHash::finish() {
  if (sha1_) {
    const std::string found = sha1_->hex();
    if (found != etag_) return Mismatch{"its etag", etag_, found};
  }
  if (sha256_) {
    const std::string found = sha256_->hex();
    if (is_sha256(etag_) && found != etag_) return Mismatch{"its etag", etag_, found};
    if (!published_.empty() && found != published_) return Mismatch{"the list of bge-m3's files", published_, found};
  }
  return std::nullopt;
}

bool is_intact(const std::string& path, const std::string& etag, const std::string& published, uint64_t size_bytes,
               FileHashes& hashes) {
  if (!is_file(path)) return false;
  const OpenFile file(path);
  if (file.size() != size_bytes) return false;
  if (is_sha256(etag) && hashes.sha256(path) != etag) return false;
  if (!published.empty() && hashes.sha256(path) != published) return false;
  if (!is_git_sha1(etag)) return true;
  ContentHash hash(etag, "", size_bytes);
  std::vector<std::byte> block(size_t{1} << 20);
  for (size_t done = 0; done < file.size(); done += block.size()) {
    const auto part = std::span(block).first(std::min(block.size(), file.size() - done));
    file.read_at(done, part);
    hash.add(part);
  }
  return !hash.finish();
}

}  // namespace bgem3
