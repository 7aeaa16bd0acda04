// Names that come from the network, before they become paths or URLs. Start at the function you need.
#pragma once

#include <string>
#include <string_view>

namespace bgem3 {

// True if `name` stays below the folder it is put into: relative, with '/' between parts that are not empty, "." or
// "..", without backslash, control characters or more than 255 bytes in a part.
bool is_name_below(std::string_view name);

// The value of an ETag header as a name: without W/ and quotes. Empty if it cannot be one: other characters than
// letters, digits, '-', '_' and '.', a dot in front, or more than 128 bytes.
std::string parse_etag(std::string_view header);

// True if an etag is a hash of the content: a SHA-256 (64 digits) or a git blob's SHA-1 (40 digits).
bool is_sha256(std::string_view etag);
bool is_git_sha1(std::string_view etag);

// A path as it stands in a URL: everything but letters, digits, '-', '_', '.' and '~' is %XX, '/' too unless kept.
std::string quote_url(std::string_view text, bool keep_slashes);

// A URL for messages: without user, password, query and fragment, which may hold secrets.
std::string shown_url(std::string_view url);

}  // namespace bgem3
