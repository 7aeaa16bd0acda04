#include "base/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace bgem3 {

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  BGEM3_CHECK(state_->context && EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  BGEM3_CHECK(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

std::array<std::byte, 32> Sha256::bytes() {
  std::array<std::byte, 32> digest;
  BGEM3_CHECK(EVP_DigestFinal_ex(state_->context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1);
  return digest;
}

std::string Sha256::hex() {
  std::string hex;
  for (const std::byte byte : bytes()) hex += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return hex;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

std::string sha256_of_file(const OpenFile& file) {
  std::vector<std::byte> block(size_t{1} << 20);
  Sha256 hash;
  for (size_t done = 0; done < file.size(); done += block.size()) {
    const auto part = std::span(block).first(std::min(block.size(), file.size() - done));
    file.read_at(done, part);
    hash.add(part);
  }
  return hash.hex();
}

std::string sha256_of_file(const std::string& path) { return sha256_of_file(OpenFile(path)); }

}  // namespace bgem3
