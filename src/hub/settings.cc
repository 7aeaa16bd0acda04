#include "hub/settings.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/file.h"
#include "model/messages.h"

namespace bgem3 {
namespace {

// As huggingface_hub reads a flag: anything else is no.
bool is_true(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(),
                 [](unsigned char c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c; });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

long timeout_s(const char* name, const std::string& value, long unset) {
  if (value.empty()) return unset;
  constexpr long kLongest = 24 * 60 * 60;
  long seconds = -1;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc() || end != value.data() + value.size() || seconds < 0 || seconds > kLongest) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "{}: expected seconds from 0 to {}, found {}", name, kLongest,
                            quote(value));
  }
  return seconds == 0 ? unset : seconds;
}

std::string endpoint_of(std::string endpoint) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const bool has_scheme = endpoint.starts_with("https://") || endpoint.starts_with("http://");
  const size_t host = endpoint.find("://") + 3;
  const bool good = has_scheme && host < endpoint.size() && endpoint[host] != '/' &&
                    endpoint.find_first_of("?#@ ") == std::string::npos &&
                    std::all_of(endpoint.begin(), endpoint.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (!good) {
    fail<InvalidInputError>(ErrorCode::invalid_input,
                            "HF_ENDPOINT: expected an address such as https://huggingface.co, found {}",
                            quote(endpoint));
  }
  return endpoint;
}

std::string token_of(std::string text, const std::string& source) {
  constexpr const char* kSpace = " \t\r\n";
  text.erase(0, std::min(text.find_first_not_of(kSpace), text.size()));
  text.erase(text.find_last_not_of(kSpace) + 1);
  // It goes into a header as it is.
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; })) {
    fail<InvalidInputError>(ErrorCode::invalid_input, "{}: expected a token of one line of ASCII without spaces",
                            source);
  }
  return text;
}

std::string find_token(const HubEnvironment& hub, const CacheEnvironment& caches) {
  if (is_true(hub.hf_hub_disable_implicit_token)) return {};
  std::string token = token_of(hub.hf_token, "HF_TOKEN");
  if (token.empty()) token = token_of(hub.hugging_face_hub_token, "HUGGING_FACE_HUB_TOKEN");
  if (!token.empty()) return token;
  const std::string home = hugging_face_home(caches);
  const std::string path = !hub.hf_token_path.empty() ? expand_home(hub.hf_token_path, caches)
                           : home.empty()             ? ""
                                                      : home + "/token";
  constexpr size_t kLongestToken = 1 << 16;
  return is_file(path) ? token_of(read_file(path, kLongestToken), path) : "";
}

}  // namespace

HubSettings read_settings(const HubEnvironment& hub, const CacheEnvironment& caches) {
  HubSettings settings;
  if (!hub.hf_endpoint.empty()) settings.endpoint = endpoint_of(hub.hf_endpoint);
  settings.token = find_token(hub, caches);
  const bool hub_says = !hub.hf_hub_offline.empty();
  settings.offline = is_true(hub_says ? hub.hf_hub_offline : hub.transformers_offline);
  settings.offline_variable = hub_says ? "HF_HUB_OFFLINE" : "TRANSFORMERS_OFFLINE";
  settings.etag_timeout_s = timeout_s("HF_HUB_ETAG_TIMEOUT", hub.hf_hub_etag_timeout, settings.etag_timeout_s);
  settings.download_timeout_s =
      timeout_s("HF_HUB_DOWNLOAD_TIMEOUT", hub.hf_hub_download_timeout, settings.download_timeout_s);
  settings.symlinks = !is_true(hub.hf_hub_disable_symlinks);
  settings.certificates = hub.ssl_cert_file;
  settings.cache = cache_folder(caches);
  return settings;
}

}  // namespace bgem3
