// Pieces of error messages about what stands in a file.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace bgem3 {

// A name from a file as it may stand in a message of one line: in quotes, everything but printable ASCII and UTF-8
// escaped, cut after 100 bytes.
std::string quote(std::string_view name);

// For a file that is not what its name says: "; it starts like a web page: download it again", or nothing.
std::string content_hint(std::span<const std::byte> bytes);

}  // namespace bgem3
