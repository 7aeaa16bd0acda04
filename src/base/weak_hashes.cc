#include "base/weak_hashes.h"

#include <openssl/evp.h>

#include "base/error.h"

namespace bgem3 {
namespace {

std::string hex_of(const EVP_MD* algorithm, std::span<const std::byte> bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  BGEM3_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, algorithm, nullptr) == 1);
  std::string hex;
  for (unsigned int i = 0; i < size; i++) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace

std::string md5_hex(std::span<const std::byte> bytes) { return hex_of(EVP_md5(), bytes); }
std::string sha1_hex(std::span<const std::byte> bytes) { return hex_of(EVP_sha1(), bytes); }

}  // namespace bgem3
