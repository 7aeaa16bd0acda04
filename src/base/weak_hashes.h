// MD5 and SHA-1 as lower-case hexadecimal: for names that others made with them, never for trust.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace bgem3 {

// The SHA-1 of bytes that come piece by piece.
class Sha1 {
 public:
  Sha1();
  ~Sha1();
  void add(std::span<const std::byte> bytes);
  // Its 40 hexadecimal digits. Nothing may be added after it.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// 32 and 40 hexadecimal digits. Thread-safe.
std::string md5_hex(std::span<const std::byte> bytes);
std::string sha1_hex(std::span<const std::byte> bytes);

}  // namespace bgem3
