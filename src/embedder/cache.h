// The folder where packed weights and remembered hashes are. Start at inspect_cache_file; include/bgem3/cache.h lists
// it.
#pragma once

#include <string>
#include <string_view>

#include "bgem3/cache.h"

namespace bgem3 {

// `cache_dir` itself, or where the environment puts the folder; empty if it names none.
std::string cache_folder_for(const std::string& cache_dir);

// "<first 32 digits of the digest>-<dtype>-<layout>.packed", the name of this version's packed weights of a model.
std::string packed_file_name(std::string_view digest, std::string_view dtype);
// What their header says that they were made for.
std::string packed_file_key(std::string_view digest, std::string_view dtype);
// The section that has the name of the model as it was packed. No start needs it.
inline constexpr const char* kModelNameSection = "model";

// What a file of the folder is. Nothing in it is an error. `every_byte`: packed weights are read and their checksums
// compared.
CacheEntry inspect_cache_file(const std::string& path, bool every_byte);

}  // namespace bgem3
