#include "base/weak_hashes.h"

#include <openssl/evp.h>

#include "base/error.h"

namespace bgem3 {
namespace {

std::string hex_of(std::span<const unsigned char> digest) {
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string hex_of(const EVP_MD* algorithm, std::span<const std::byte> bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  BGEM3_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, algorithm, nullptr) == 1);
  return hex_of({digest, size});
}

}  // namespace

struct Sha1::State {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha1::Sha1() : state_(std::make_unique<State>()) {
  BGEM3_CHECK(state_->context && EVP_DigestInit_ex(state_->context.get(), EVP_sha1(), nullptr) == 1);
}
Sha1::~Sha1() = default;

void Sha1::add(std::span<const std::byte> bytes) {
  BGEM3_CHECK(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

std::string Sha1::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  BGEM3_CHECK(EVP_DigestFinal_ex(state_->context.get(), digest, &size) == 1);
  return hex_of({digest, size});
}

std::string md5_hex(std::span<const std::byte> bytes) { return hex_of(EVP_md5(), bytes); }
std::string sha1_hex(std::span<const std::byte> bytes) { return hex_of(EVP_sha1(), bytes); }

}  // namespace bgem3
