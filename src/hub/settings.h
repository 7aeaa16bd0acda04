// How the hub is reached, as the environment says. Start at read_settings.
#pragma once

#include <string>

#include "model/model_files.h"

namespace bgem3 {

struct HubSettings {
  std::string endpoint = "https://huggingface.co";  // no '/' at the end
  std::string token;                                // empty: none
  bool offline = false;
  std::string offline_variable;  // the one that says so
  long etag_timeout_s = 10;      // of a connection, and of silence, when facts about a file are asked for
  long download_timeout_s = 10;  // the same of its content
  bool symlinks = true;          // snapshots are links to blobs
  std::string certificates;      // a file of those to trust; empty: the system's
  std::string cache;             // the folder of the cache; empty if the environment names none
};

// By the rules of huggingface_hub. Reads the token's file. Throws InvalidInputError for a value that cannot be used, by
// the variable's name, never with a token in the message.
HubSettings read_settings(const HubEnvironment& hub, const CacheEnvironment& caches);

}  // namespace bgem3
