// MD5 and SHA-1 as lower-case hexadecimal: for names that others made with them, never for trust.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace bgem3 {

// 32 and 40 hexadecimal digits. Thread-safe.
std::string md5_hex(std::span<const std::byte> bytes);
std::string sha1_hex(std::span<const std::byte> bytes);

}  // namespace bgem3
