#include "hub/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>

#include "base/error.h"
#include "bgem3/version.h"
#include "hub/names.h"

namespace bgem3 {
namespace {

constexpr size_t kMostErrorPage = 1 << 20;  // of a body that nobody reads; more is worth a new connection
constexpr size_t kMostHeaderBytes = 1 << 18;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr const char* kSpace = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

// Reads a whole number and removes it from the front.
std::optional<uint64_t> take_number(std::string_view& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

NetworkFailure::Kind kind_of(CURLcode code) {
  using Kind = NetworkFailure::Kind;
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Kind::name;
    case CURLE_COULDNT_CONNECT:
      return Kind::connection;
    case CURLE_OPERATION_TIMEDOUT:
      return Kind::silence;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return Kind::cut;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return Kind::tls;
    default:
      return Kind::other;
  }
}

struct Url {
  std::unique_ptr<CURLU, void (*)(CURLU*)> handle{curl_url(), curl_url_cleanup};

  bool set(const std::string& text) { return curl_url_set(handle.get(), CURLUPART_URL, text.c_str(), 0) == CURLUE_OK; }
  std::string get(CURLUPart part) const {
    char* text = nullptr;
    if (curl_url_get(handle.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
    std::string out = text;
    curl_free(text);
    return out;
  }
};

bool is_web(const std::string& scheme) { return scheme == "http" || scheme == "https"; }

}  // namespace

std::string HttpResponse::header(std::string_view lower_case_name) const {
  const auto found = headers.find(std::string(lower_case_name));
  return found == headers.end() ? "" : found->second;
}

void add_header_line(HttpResponse& response, std::string_view line) {
  line = trim(line);
  if (line.starts_with("HTTP/")) {  // of an interim response or the last one: either way what came before is over
    response = {};
    line.remove_prefix(std::min(line.find(' '), line.size()));
    line = trim(line);
    response.status = static_cast<int>(take_number(line).value_or(0) % 1000);
    return;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  response.headers[lower(trim(line.substr(0, colon)))] = trim(line.substr(colon + 1));
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (lower(text.substr(0, kUnit.size())) != kUnit) return std::nullopt;
  text.remove_prefix(kUnit.size());
  ContentRange range;
  const auto first = take_number(text);
  if (!first || !text.starts_with('-')) return std::nullopt;
  text.remove_prefix(1);
  const auto last = take_number(text);
  if (!last || *last < *first || !text.starts_with('/')) return std::nullopt;
  text.remove_prefix(1);
  range.first = *first;
  range.last = *last;
  if (text == "*") return range;
  range.total = take_number(text);
  if (!range.total || !text.empty() || *range.total <= *last) return std::nullopt;
  return range;
}

std::string origin_of(const std::string& url) {
  Url parsed;
  if (!parsed.set(url)) return {};
  return fmt::format("{}://{}:{}", lower(parsed.get(CURLUPART_SCHEME)), lower(parsed.get(CURLUPART_HOST)),
                     parsed.get(CURLUPART_PORT));
}

std::string resolve_url(const std::string& base, const std::string& location) {
  Url parsed;
  if (!parsed.set(base) || !parsed.set(location) || !is_web(lower(parsed.get(CURLUPART_SCHEME)))) return {};
  char* text = nullptr;
  if (curl_url_get(parsed.handle.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

// What libcurl's callbacks see of one request. An exception does not pass through libcurl: it waits here.
struct HttpClient::Transfer {
  const BodyReader& body;
  const std::stop_token& stop;
  HttpResponse response;
  std::exception_ptr exception;
  size_t unread_bytes = 0, header_bytes = 0;
  bool enough = false;

  static size_t on_header(char* data, size_t, size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.header_bytes += size;
    if (transfer.header_bytes > kMostHeaderBytes) return 0;
    add_header_line(transfer.response, {data, size});
    return size;
  }

  static size_t on_body(char* data, size_t, size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (!transfer.response.ok()) {
      transfer.unread_bytes += size;
      transfer.enough = transfer.unread_bytes > kMostErrorPage;
      return transfer.enough ? 0 : size;
    }
    try {
      transfer.body(transfer.response, std::as_bytes(std::span(data, size)));
      return size;
    } catch (...) {
      transfer.exception = std::current_exception();
      return 0;
    }
  }

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Transfer*>(self)->stop.stop_requested() ? 1 : 0;
  }
};

HttpClient::HttpClient(std::stop_token stop, std::string certificates)
    : stop_(std::move(stop)), certificates_(std::move(certificates)), curl_(nullptr, curl_easy_cleanup) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  BGEM3_CHECK(ready == CURLE_OK);
  curl_.reset(curl_easy_init());
  BGEM3_CHECK(curl_ != nullptr);
}

HttpClient::~HttpClient() = default;

HttpResponse HttpClient::perform(const HttpRequest& request, const BodyReader& body) {
  CURL* curl = curl_.get();
  Transfer transfer{.body = body, .stop = stop_, .response = {}, .exception = {}};
  char detail[CURL_ERROR_SIZE] = "";
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> lines(nullptr, curl_slist_free_all);
  const auto add_line = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(lines.get(), line.c_str());
    BGEM3_CHECK(longer != nullptr);
    lines.release();
    lines.reset(longer);
  };
  const auto set = [&](CURLoption option, auto value) {
    BGEM3_CHECK(curl_easy_setopt(curl, option, value) == CURLE_OK);
  };

  curl_easy_reset(curl);  // keeps the connection
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, "bgem3/" BGEM3_VERSION);
  set(CURLOPT_CONNECTTIMEOUT, request.timeout_s);
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, request.timeout_s);
  set(CURLOPT_BUFFERSIZE, long{512} << 10);
  set(CURLOPT_ERRORBUFFER, detail);
  if (!certificates_.empty()) set(CURLOPT_CAINFO, certificates_.c_str());
  set(CURLOPT_HEADEROPT, long{CURLHEADER_SEPARATE});  // a token is for the server, not for the proxy's CONNECT
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (request.head) set(CURLOPT_NOBODY, 1L);
  add_line("Accept-Encoding: identity");  // sizes and hashes are of the content itself
  if (!request.token.empty()) add_line("Authorization: Bearer " + request.token);
  if (request.from > 0) add_line(fmt::format("Range: bytes={}-", request.from));
  set(CURLOPT_HTTPHEADER, lines.get());
  set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  set(CURLOPT_XFERINFODATA, &transfer);

  const CURLcode code = stop_.stop_requested() ? CURLE_ABORTED_BY_CALLBACK : curl_easy_perform(curl);
  if (transfer.exception) std::rethrow_exception(transfer.exception);
  if (code == CURLE_ABORTED_BY_CALLBACK) {
    fail<EmbeddingGenerationError>(ErrorCode::cancelled, "{}: stopped", shown_url(request.url));
  }
  if (code != CURLE_OK && !transfer.enough) {
    throw NetworkFailure(kind_of(code), detail[0] ? detail : curl_easy_strerror(code));
  }
  HttpResponse& response = transfer.response;
  response.url = request.url;
  curl_off_t wait_s = 0;
  if (response.headers.contains("retry-after") && curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait_s) == CURLE_OK) {
    response.retry_after_s = static_cast<long>(wait_s);
  }
  if (response.status >= 300 && response.status < 400) {
    response.location = resolve_url(request.url, response.header("location"));
  }
  return std::move(response);
}

}  // namespace bgem3
