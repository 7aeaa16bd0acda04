// The packed file's parser on any bytes: sections inside the bytes, or an error. The checksum, which would stop nearly
// every input, is put right first.
#include <cstdint>
#include <cstring>
#include <string>

#include "expected_error.h"
#include "model/packed_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bgem3;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  uint64_t table = 0;
  if (size >= 256) {
    std::memcpy(&table, bytes.data() + 16, sizeof table);
    std::memset(bytes.data() + 192, 0, 64);
    const std::string sealed = bytes.substr(0, 256) + (table <= size ? bytes.substr(table) : "");
    std::memcpy(bytes.data() + 192, sha256_hex(std::as_bytes(std::span(sealed))).data(), 64);
  }
  expect_answer_or_error([&] {
    const auto all = std::as_bytes(std::span(bytes));
    for (const auto& [name, section] : parse_packed_file(all, "key", "fuzz")) {
      if (name.size() > kLongestSectionName || section.bytes.data() < all.data() ||
          section.bytes.data() + section.bytes.size() > all.data() + all.size()) {
        std::abort();
      }
    }
  });
  return 0;
}
