#include "model/verification.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/weak_hashes.h"

namespace bgem3 {
namespace {

namespace fs = std::filesystem;

// The commits of BAAI/bge-m3 whose files are listed: main, and refs/pr/130, which adds model.safetensors to it.
constexpr std::string_view kMain = "5617a9f61b028005a4858fdac845db406aefb181";
constexpr std::string_view kWithSafetensors = "9a0624b896d81da7492a910ffa53731274b6cf3d";

struct Published {
  std::string_view name;
  size_t size_bytes;
  std::string_view sha256;
  bool on_main = true;
};
constexpr Published kPublished[] = {
    {"config.json", 687, "26159e7ad065073448460117eb24b7a4572f6f4e78eadff65dc0a11c052449fa"},
    {"tokenizer.json", 17098108, "21106b6d7dab2952c1d496fb21d5dc9db75c28ed361a05f5020bbba27810dd08"},
    {"tokenizer_config.json", 444, "a62b2b6784f990259fddef5f16388693a8043be4f69179e6a5257eeb3f9abac4"},
    {"modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"},
    {"1_Pooling/config.json", 191, "e54c164a07274f2eb45bb724f54a79d1efcc90c41573887cd9a29aeee0597352"},
    {"sentence_bert_config.json", 54, "eb9b44b13c0f52a3b3685c3b1cbdea1ba8b04bea123b98f61610048940776eb1"},
    {"config_sentence_transformers.json", 123, "1eef72430e7194a1e59680e635aed81ffa083f05668dbc5bb1c56c04c0999c38"},
    {kSparseHeadFile, 3516, "45c93804d2142b8f6d7ec6914ae23a1eee9c6a1d27d83d908a20d2afb3595ad9"},
    {kMultiHeadFile, 2100674, "19bfbae397c2b7524158c919d0e9b19393c5639d098f0a66932c91ed8f5f9abb"},
    {"pytorch_model.bin", 2271145830, "b5e0ce3470abf5ef3831aa1bd5553b486803e83251590ab7ff35a117cf6aad38"},
    {"model.safetensors", 2271064456, "993b2248881724788dcab8c644a91dfd63584b6e5604ff2037cb5541e1e38e7e", false},
};

// Above what a repository keeps as a plain git file.
constexpr size_t kLargestGitFile = size_t{64} << 20;

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

const Published* find_published(std::string_view name) {
  const auto* found = std::find_if(std::begin(kPublished), std::end(kPublished),
                                   [&](const Published& file) { return file.name == name; });
  return found == std::end(kPublished) ? nullptr : found;
}

// The published digest, where the file must have it or has it.
FileVerdict verify_published(const ModelFile& file, bool must, FileHashes& hashes) {
  const Published* published = find_published(file.name);
  if (!published || (!must && file.size_bytes != published->size_bytes)) return {};
  FileVerdict verdict = {"published", std::string(published->sha256), hashes.sha256(file.path)};
  return must || verdict.matches() ? verdict : FileVerdict{};
}

// The hash that the Hugging Face cache calls the file's content by.
FileVerdict verify_blob(const ModelFile& file, FileHashes& hashes) {
  std::error_code error;
  const fs::path blob = fs::canonical(file.path, error);
  if (error || blob.parent_path().filename() != "blobs") return {};
  const std::string name = blob.filename();
  if (is_hex(name, 64)) return {"blob name", name, hashes.sha256(file.path)};
  if (is_hex(name, 40) && file.size_bytes <= kLargestGitFile) {
    const std::string content = read_file(file.path, kLargestGitFile);
    const std::string object = fmt::format("blob {}", content.size()) + '\0' + content;
    return {"blob name", name, sha1_hex(std::as_bytes(std::span(object)))};
  }
  return {};
}

}  // namespace

std::string pinned_revision(std::string_view repository) {
  return std::string(repository == "BAAI/bge-m3" ? kMain : "main");
}

std::string_view published_sha256(std::string_view commit, std::string_view name) {
  const Published* listed = find_published(name);
  if (!listed || (commit != kMain && commit != kWithSafetensors) || (commit == kMain && !listed->on_main)) return {};
  return listed->sha256;
}

FileVerdict verify_file(const ModelFiles& files, const ModelFile& file, bool published, FileHashes& hashes) {
  const bool is_listed_revision = !published_sha256(files.revision, file.name).empty();
  FileVerdict verdict = verify_published(file, published || is_listed_revision, hashes);
  if (verdict.source.empty() && !files.revision.empty()) verdict = verify_blob(file, hashes);
  return verdict;
}

std::string verify_files(ModelFiles& files, FileHashes& hashes) {
  size_t published = 0, unverified = 0;
  for (ModelFile& file : files.files) {
    const FileVerdict verdict = verify_file(files, file, false, hashes);
    if (!verdict.matches()) {
      fail<ModelLoadingError>(ErrorCode::corrupt,
                              "{}: not what was published: {} says {}, its content has {}; download it again",
                              file.path, verdict.source == "published" ? "the list of bge-m3's files" : "the cache",
                              verdict.expected, verdict.found);
    }
    file.verified = verdict.source;
    if (verdict.source == "published") published++;
    if (verdict.source.empty()) unverified++;
  }
  if (unverified > 0) return "unverified";
  return published == files.files.size() ? "published" : "blob names";
}

}  // namespace bgem3
