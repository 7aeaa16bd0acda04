// One HTTP request at a time over one kept connection: libcurl behind few types. Redirects, retries and access tokens
// are the caller's business. Start at HttpClient.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>

namespace bgem3 {

struct HttpRequest {
  std::string url;
  bool head = false;       // HEAD; otherwise GET
  std::string token = {};  // "Authorization: Bearer ..."; empty: none
  uint64_t from = 0;       // ask for the bytes from here on (Range); 0: for all
  long timeout_s = 10;     // for the connection, and of silence
};

struct HttpResponse {
  int status = 0;
  std::string url;                             // that answered
  std::map<std::string, std::string> headers;  // names in lower case; of equal names the last
  std::optional<long> retry_after_s;           // Retry-After, also where it is a date
  std::string location;                        // of a redirect, absolute; empty: none

  bool ok() const { return status >= 200 && status < 300; }
  // Empty if it is not there.
  std::string header(std::string_view lower_case_name) const;
};

// No answer, or not all of it.
class NetworkFailure : public std::runtime_error {
 public:
  enum class Kind { name, connection, tls, silence, cut, other };
  NetworkFailure(Kind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

// Called with each piece of the body of a 2xx response; the headers are known by then. May throw.
using BodyReader = std::function<void(const HttpResponse& response, std::span<const std::byte> piece)>;

class HttpClient {
 public:
  // certificates: a file of those to trust; empty: the system's.
  HttpClient(std::stop_token stop, std::string certificates);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Throws NetworkFailure, what `body` throws, and EmbeddingGenerationError (cancelled) within a second after a stop
  // was requested. Proxies are those of libcurl's environment variables; certificates are checked.
  HttpResponse perform(const HttpRequest& request, const BodyReader& body);

 private:
  struct Transfer;
  std::stop_token stop_;
  std::string certificates_;
  std::unique_ptr<void, void (*)(void*)> curl_;
};

// One line of a response's head: a status line starts it anew, a header is added.
void add_header_line(HttpResponse& response, std::string_view line);

// "bytes 5-9/10", also with "*" for the total.
struct ContentRange {
  uint64_t first = 0, last = 0;
  std::optional<uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

// "https://host:443" of a URL: what may see the same token. Empty if it is none.
std::string origin_of(const std::string& url);
// `location` as a browser would read it at `base`. Empty if it is no http or https URL.
std::string resolve_url(const std::string& base, const std::string& location);

}  // namespace bgem3
