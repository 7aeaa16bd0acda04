// The file `digests` has a line for each hashed file, the newest first:
//   <sha256> <device> <inode> <size> <modified_ns> <changed_ns>
// A line that cannot be read, or a lost one, costs hashing again.
#include "model/model_digest.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"

namespace bgem3 {
namespace {

constexpr size_t kMostLines = 1000;
constexpr size_t kLongestFile = 1 << 20;
constexpr size_t kHexDigits = 64;

std::string line_of(const FileIdentity& identity, std::string_view sha256) {
  return fmt::format("{} {} {} {} {} {}", sha256, identity.device, identity.inode, identity.size_bytes,
                     identity.modified_ns, identity.changed_ns);
}

std::vector<std::string> read_lines(const std::string& path) {
  std::vector<std::string> lines;
  if (!is_file(path)) return lines;
  const std::string text = read_file(path, kLongestFile);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// The hash that a line has for this file; empty if there is none.
std::string recall(const std::vector<std::string>& lines, const FileIdentity& identity) {
  const std::string rest = line_of(identity, "");
  for (const std::string& line : lines) {
    if (line.size() != kHexDigits + rest.size() || !line.ends_with(rest)) continue;
    const std::string sha256 = line.substr(0, kHexDigits);
    if (sha256.find_first_not_of("0123456789abcdef") == std::string::npos) return sha256;
  }
  return {};
}

}  // namespace

FileHashes::FileHashes(std::string cache_folder, bool read_all)
    : memory_(cache_folder.empty() ? "" : std::move(cache_folder) + "/digests"), read_all_(read_all) {
  if (memory_.empty()) return;
  try {
    known_ = read_lines(memory_);
  } catch (const ModelLoadingError&) {  // then nothing is known
  }
}

const std::string& FileHashes::sha256(const std::string& path) {
  std::string& sha256 = asked_[path];
  if (!sha256.empty()) return sha256;
  const OpenFile file(path);
  if (!read_all_) sha256 = recall(known_, file.identity());
  if (!sha256.empty()) return sha256;
  sha256 = sha256_of_file(file);
  // A file that changed while it was read, or may change within the same tick, is hashed again next time.
  if (is_settled(file.identity()) && OpenFile(path).identity() == file.identity()) {
    learnt_.push_back(line_of(file.identity(), sha256));
  }
  return sha256;
}

// Puts what was learnt in front of what is there. The writer's lock makes reading and writing one step.
void FileHashes::remember() {
  if (memory_.empty() || learnt_.empty()) return;
  try {
    FileWriter writer(memory_);
    std::vector<std::string> lines = std::move(learnt_);
    learnt_.clear();
    for (std::string& line : read_lines(memory_)) {
      if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
    }
    lines.resize(std::min(lines.size(), kMostLines));
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    writer.write(std::as_bytes(std::span(text)));
    writer.publish();
  } catch (const ModelLoadingError&) {  // then files are hashed again next time
  }
}

std::string model_digest(const ModelFiles& files, FileHashes& hashes) {
  std::vector<std::string> names = {"config.json", "tokenizer.json"};
  for (const char* head : {kSparseHeadFile, kMultiHeadFile}) {
    if (files.has(head)) names.push_back(head);
  }
  if (!files.weights_index.empty()) names.push_back(files.weights_index);
  names.insert(names.end(), files.weights.begin(), files.weights.end());
  std::string all;
  for (const std::string& name : names) all += fmt::format("{} {}\n", name, hashes.sha256(files.path(name)));
  return sha256_hex(std::as_bytes(std::span(all)));
}

}  // namespace bgem3
