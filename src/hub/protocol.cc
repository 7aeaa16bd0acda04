#include "hub/protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/error.h"
#include "base/json.h"
#include "hub/names.h"
#include "model/messages.h"
#include "model/model_files.h"

namespace bgem3 {
namespace {

constexpr int kMostRedirects = 10;
constexpr size_t kMostJsonBytes = size_t{32} << 20;  // of a listing
constexpr int kMostPages = 100;

// `message` of a server in one printable line; empty for none.
std::string server_says(const HttpResponse& response) {
  const std::string text = response.header("x-error-message");
  return text.empty() ? "" : fmt::format(": {}", quote(text));
}

// What a JSON answer says, or an error that tells a login page from a hub.
Json parse_answer(const std::string& body, const std::string& url) {
  try {
    return Json::parse(body, shown_url(url));
  } catch (const ModelLoadingError& error) {
    fail<ModelLoadingError>(
        ErrorCode::io, "{}; expected the hub's answer: is HF_ENDPOINT a hub, and does the network ask for a login?",
        error.what());
  }
}

[[noreturn]] void no_hub(const std::string& url, const char* missing) {
  fail<ModelLoadingError>(
      ErrorCode::io,
      "{}: the answer has no {}, so it is not the hub's; check HF_ENDPOINT, and whether a proxy or a "
      "login page stands between",
      shown_url(url), missing);
}

}  // namespace

bool HubRevision::has(std::string_view name) const {
  return std::find(files.begin(), files.end(), name) != files.end();
}

bool Attempts::again(const std::string& what, std::optional<long> retry_after_s) {
  constexpr int kMost = 5;
  constexpr long kLongestWait_s = 60;
  if (++failures_ >= kMost || retry_after_s.value_or(0) > kLongestWait_s) return false;
  const std::chrono::milliseconds wait =
      retry_after_s ? std::chrono::seconds(*retry_after_s) : std::chrono::milliseconds(250 << failures_);
  notice_(fmt::format("{}; trying again", what));
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any never;
  never.wait_for(lock, stop_, wait, [] { return false; });
  if (stop_.stop_requested()) fail<EmbeddingGenerationError>(ErrorCode::cancelled, "stopped");
  return true;
}

HubClient::HubClient(HubSettings settings, std::stop_token stop, Notice notice)
    : settings_(std::move(settings)),
      origin_(origin_of(settings_.endpoint)),
      stop_(stop),
      notice_(notice ? std::move(notice) : [](const std::string&) {}),
      http_(stop, settings_.certificates) {}

void HubClient::check_online(const std::string& model) const {
  if (!settings_.offline) return;
  fail<ModelLoadingError>(
      ErrorCode::io, "model {}: the hub cannot be asked, because {} is set; unset it, or pull where there is a network",
      quote(model), settings_.offline_variable);
}

std::string HubClient::content_url(const std::string& repository, const std::string& commit,
                                   const std::string& name) const {
  return fmt::format("{}/{}/resolve/{}/{}", settings_.endpoint, repository, quote_url(commit, false),
                     quote_url(name, true));
}

HttpResponse HubClient::follow(HttpRequest request, const BodyReader& body, bool metadata_only) {
  for (int redirects = 0;; redirects++) {
    request.token = origin_of(request.url) == origin_ ? settings_.token : "";
    HttpResponse response = http_.perform(request, body);
    reached_ = true;
    if (response.location.empty()) {
      if (response.status < 300 || response.status >= 400) return response;
      fail<ModelLoadingError>(ErrorCode::io, "{}: status {} without an address to go to", shown_url(request.url),
                              response.status);
    }
    const bool leaves = origin_of(response.location) != origin_of(request.url);
    const bool tells = !response.header("x-repo-commit").empty() &&
                       !(response.header("x-linked-etag").empty() && response.header("etag").empty());
    if (metadata_only && leaves && tells) return response;
    if (redirects == kMostRedirects) {
      fail<ModelLoadingError>(ErrorCode::io, "{}: more than {} redirects", shown_url(request.url), kMostRedirects);
    }
    request.url = response.location;
  }
}

HttpResponse HubClient::ask(const HttpRequest& request, std::string* body, size_t limit_bytes,
                            const std::string& repository, const std::string& revision, const std::string& name) {
  Attempts tries = attempts();
  while (true) {
    if (body) body->clear();
    const BodyReader reader = [&](const HttpResponse&, std::span<const std::byte> piece) {
      if (!body) return;
      if (piece.size() > limit_bytes - body->size()) {
        fail<ModelLoadingError>(ErrorCode::overloaded, "{}: more than {} bytes", shown_url(request.url), limit_bytes);
      }
      body->append(reinterpret_cast<const char*>(piece.data()), piece.size());
    };
    try {
      HttpResponse response = follow(request, reader, request.head);
      if (response.status < 400) return response;
      const std::string what = fmt::format("{}: status {}", shown_url(request.url), response.status);
      if (may_pass(response) && tries.again(what, response.retry_after_s)) continue;
      refuse(response, repository, revision, name);
    } catch (const NetworkFailure& failure) {
      const std::string what = fmt::format("{}: {}", shown_url(request.url), failure.what());
      if (may_pass(failure) && tries.again(what)) continue;
      refuse(failure, request.url);
    }
  }
}

HubRevision HubClient::revision(const std::string& repository, const std::string& revision) {
  const std::string url =
      fmt::format("{}/api/models/{}/revision/{}", settings_.endpoint, repository, quote_url(revision, false));
  std::string body;
  ask({.url = url, .timeout_s = settings_.etag_timeout_s}, &body, kMostJsonBytes, repository, revision, "");
  const Json answer = parse_answer(body, url);
  HubRevision found{.commit = answer.at("sha").string(), .files = {}};
  if (!is_full_commit(found.commit)) no_hub(url, "commit");
  for (const Json& file : answer.at("siblings").elements()) found.files.push_back(file.at("rfilename").string());
  return found;
}

std::vector<HubFile> HubClient::tree(const std::string& repository, const std::string& commit) {
  std::string url = fmt::format("{}/api/models/{}/tree/{}?recursive=true", settings_.endpoint, repository, commit);
  std::vector<HubFile> files;
  for (int page = 0; !url.empty(); page++) {
    if (page == kMostPages) fail<ModelLoadingError>(ErrorCode::overloaded, "{}: more than {} pages", url, kMostPages);
    std::string body;
    const HttpResponse response =
        ask({.url = url, .timeout_s = settings_.etag_timeout_s}, &body, kMostJsonBytes, repository, commit, "");
    const Json answer = parse_answer(body, url);
    for (const Json& entry : answer.elements()) {
      if (entry.at("type").string() != "file") continue;
      const Json* large = entry.find("lfs");
      const bool is_large = large && !large->is_null();
      files.push_back({.name = entry.at("path").string(),
                       .etag = (is_large ? *large : entry).at("oid").string(),
                       .size_bytes = entry.at("size").integer()});
    }
    const std::string next = next_page(response.header("link"));
    url = next.empty() ? "" : resolve_url(url, next);
  }
  return files;
}

HubFile HubClient::metadata(const std::string& repository, const std::string& commit, const std::string& name) {
  const std::string url = content_url(repository, commit, name);
  const HttpResponse response =
      ask({.url = url, .head = true, .timeout_s = settings_.etag_timeout_s}, nullptr, 0, repository, commit, name);
  if (response.header("x-repo-commit") != commit) no_hub(url, "X-Repo-Commit of that commit");
  const std::string linked = response.header("x-linked-etag");
  HubFile file{.name = name, .etag = parse_etag(linked.empty() ? response.header("etag") : linked)};
  if (file.etag.empty()) no_hub(url, "usable ETag");
  std::string size = response.header("x-linked-size");
  if (size.empty() && response.ok()) size = response.header("content-length");
  const bool digits = !size.empty() && size.size() <= 18 && size.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) no_hub(url, "size");
  file.size_bytes = std::stoull(size);
  return file;
}

std::string HubClient::content(const std::string& repository, const std::string& commit, const std::string& name,
                               size_t limit_bytes) {
  std::string body;
  ask({.url = content_url(repository, commit, name), .timeout_s = settings_.download_timeout_s}, &body, limit_bytes,
      repository, commit, name);
  return body;
}

HttpResponse HubClient::open_content(const std::string& repository, const std::string& commit, const std::string& name,
                                     uint64_t from, const BodyReader& reader) {
  HttpRequest request{.url = content_url(repository, commit, name), .from = from};
  request.timeout_s = settings_.download_timeout_s;
  return follow(request, reader, false);
}

bool HubClient::may_pass(const HttpResponse& response) {
  constexpr int kPassing[] = {408, 429, 500, 502, 503, 504};
  return std::find(std::begin(kPassing), std::end(kPassing), response.status) != std::end(kPassing);
}

// A first contact that fails is a wrong address or no network, and better said at once.
bool HubClient::may_pass(const NetworkFailure& failure) const {
  using Kind = NetworkFailure::Kind;
  if (failure.kind() == Kind::tls || failure.kind() == Kind::other) return false;
  return reached_ || failure.kind() == Kind::cut;
}

void HubClient::refuse(const HttpResponse& response, const std::string& repository, const std::string& revision,
                       const std::string& name) const {
  const std::string& url = response.url;
  const std::string code = response.header("x-error-code");
  const std::string& endpoint = settings_.endpoint;
  const int status = response.status;
  const bool known = !settings_.token.empty();
  if (origin_of(url) != origin_ && !may_pass(response)) {
    fail<ModelLoadingError>(
        ErrorCode::io,
        "{}: the storage that the hub names answers with status {}; try again, and check what stands "
        "between, if it stays",
        shown_url(url), status);
  }
  if (code == "RevisionNotFound") {
    fail<ModelLoadingError>(ErrorCode::not_found, "{}: {} has no revision {}; see {}/{}/tree/main for what it has",
                            endpoint, repository, quote(revision), endpoint, repository);
  }
  if (code == "EntryNotFound") {
    fail<ModelLoadingError>(ErrorCode::not_found, "{}: {} has no file {} in revision {}", endpoint, repository,
                            quote(name), quote(revision));
  }
  if (code == "GatedRepo") {
    fail<ModelLoadingError>(ErrorCode::io, "{}: {} is gated (status {}): accept its conditions at {}/{}, and {}",
                            endpoint, repository, status, endpoint, repository,
                            known ? "use a token of that account" : "set HF_TOKEN to a token of that account");
  }
  if (status == 401 && response.header("x-error-message").find("Invalid credentials") != std::string::npos) {
    fail<ModelLoadingError>(ErrorCode::io,
                            "{}: the token is not accepted; check HF_TOKEN, or log in again with \"hf auth login\"",
                            endpoint);
  }
  if (code == "RepoNotFound" || status == 401) {
    fail<ModelLoadingError>(ErrorCode::not_found,
                            "{}: there is no repository {}, or it is private (status {}); check the name, {}", endpoint,
                            repository, status,
                            known ? "or use a token that may read it" : "or set HF_TOKEN to a token that may read it");
  }
  if (status == 403) {
    fail<ModelLoadingError>(ErrorCode::io, "{}: access is forbidden (status 403){}; check that the token may read {}",
                            shown_url(url), server_says(response), repository);
  }
  if (status == 404) {
    fail<ModelLoadingError>(ErrorCode::not_found, "{}: not found (status 404){}; check HF_ENDPOINT, if it is set",
                            shown_url(url), server_says(response));
  }
  if (status == 429) {
    fail<ModelLoadingError>(ErrorCode::io, "{}: too many requests (status 429); try again {}", shown_url(url),
                            response.retry_after_s ? fmt::format("in {} seconds", *response.retry_after_s) : "later");
  }
  if (may_pass(response)) {
    fail<ModelLoadingError>(ErrorCode::io,
                            "{}: the server has trouble (status {}); try again later, what is there is kept",
                            shown_url(url), status);
  }
  fail<ModelLoadingError>(ErrorCode::io, "{}: unexpected status {}{}", shown_url(url), status, server_says(response));
}

void HubClient::refuse(const NetworkFailure& failure, const std::string& url) const {
  using Kind = NetworkFailure::Kind;
  const char* hint = "";
  switch (failure.kind()) {
    case Kind::name:
    case Kind::connection:
      hint = "check the network, and HF_ENDPOINT and the proxy's variables, if they are set";
      break;
    case Kind::tls:
      hint =
          "the server's certificate cannot be trusted: check the system's clock and certificates, and whether a proxy "
          "stands between (SSL_CERT_FILE may name its certificate)";
      break;
    case Kind::silence:
      hint = "try again; HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_ETAG_TIMEOUT give it more seconds";
      break;
    case Kind::cut:
      hint = "try again: what is there is kept";
      break;
    case Kind::other:
      hint = "check HF_ENDPOINT, if it is set";
      break;
  }
  fail<ModelLoadingError>(ErrorCode::io, "{}: {}; {}", shown_url(url), failure.what(), hint);
}

std::string next_page(const std::string& link_header) {
  const size_t rel = link_header.find("rel=\"next\"");
  if (rel == std::string::npos) return {};
  const size_t begin = link_header.rfind('<', rel);
  const size_t end = begin == std::string::npos ? begin : link_header.find('>', begin);
  return end == std::string::npos || end > rel ? "" : link_header.substr(begin + 1, end - begin - 1);
}

}  // namespace bgem3
