// What the Hugging Face hub answers. Start at HubClient.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hub/http.h"
#include "hub/settings.h"

namespace bgem3 {

// A revision of a repository: the commit it names, and the files that are in it.
struct HubRevision {
  std::string commit;
  std::vector<std::string> files;

  bool has(std::string_view name) const;
};

// A file of a revision. The etag is its content's hash (a git blob's SHA-1, or the SHA-256 of a large file) on the hub
// itself, and may be something else on a mirror.
struct HubFile {
  std::string name;
  std::string etag;
  uint64_t size_bytes = 0;
};

using Notice = std::function<void(const std::string& what)>;

// Failed tries at one thing: waits before each next one, as long as the server asks for or twice as long as before.
class Attempts {
 public:
  Attempts(std::stop_token stop, Notice notice) : stop_(std::move(stop)), notice_(std::move(notice)) {}

  // After a failure: waits, and answers true; at once false if there were too many, or the wait asked for is too long.
  // `what` is for the notice. Throws EmbeddingGenerationError (cancelled).
  bool again(const std::string& what, std::optional<long> retry_after_s = {});
  // Something was received: failures count from zero.
  void progressed() { failures_ = 0; }

 private:
  std::stop_token stop_;
  Notice notice_;
  int failures_ = 0;
};

// One connection to the hub, and to the storage hosts that it redirects to. Answers that the hub does not give (access,
// no such thing, trouble of its own) and a network that does not work are ModelLoadingError: not_found, or io; those
// that may pass are tried again first. Every call throws EmbeddingGenerationError (cancelled) after a stop. The token
// is sent to the endpoint's scheme, host and port alone.
class HubClient {
 public:
  HubClient(HubSettings settings, std::stop_token stop, Notice notice);

  const HubSettings& settings() const { return settings_; }
  Attempts attempts() const { return {stop_, notice_}; }
  void notice(const std::string& what) const { notice_(what); }

  // Throws ModelLoadingError (io) that says which variable forbids the network, if one does.
  void check_online(const std::string& model) const;

  // The commit and files of a branch, tag or commit.
  HubRevision revision(const std::string& repository, const std::string& revision);
  // All files of a commit with their sizes and etags.
  std::vector<HubFile> tree(const std::string& repository, const std::string& commit);
  // A file of a commit: name, etag and size.
  HubFile metadata(const std::string& repository, const std::string& commit, const std::string& name);
  // The whole content of a small file of a commit.
  std::string content(const std::string& repository, const std::string& commit, const std::string& name,
                      size_t limit_bytes);

  // One try to get a file's content from `from` on: through the hub's redirects to whoever has it. The reader gets the
  // body of a 2xx response only. Throws NetworkFailure, what the reader throws, and ModelLoadingError for an answer
  // that will not get better.
  HttpResponse open_content(const std::string& repository, const std::string& commit, const std::string& name,
                            uint64_t from, const BodyReader& reader);
  // Whether another try may help.
  static bool may_pass(const HttpResponse& response);
  bool may_pass(const NetworkFailure& failure) const;
  // Throws the ModelLoadingError for an answer, or for none, that is given up on.
  [[noreturn]] void refuse(const HttpResponse& response, const std::string& repository, const std::string& revision,
                           const std::string& name) const;
  [[noreturn]] void refuse(const NetworkFailure& failure, const std::string& url) const;

  std::string content_url(const std::string& repository, const std::string& commit, const std::string& name) const;

 private:
  // One request through its redirects. metadata_only: a redirect to another origin is the answer, if it has the facts.
  HttpResponse follow(HttpRequest request, const BodyReader& body, bool metadata_only);
  // The same until it is answered or given up on.
  HttpResponse ask(const HttpRequest& request, std::string* body, size_t limit_bytes, const std::string& repository,
                   const std::string& revision, const std::string& name);

  HubSettings settings_;
  std::string origin_;  // of the endpoint
  std::stop_token stop_;
  Notice notice_;
  HttpClient http_;
  bool reached_ = false;  // somebody answered: what fails now may pass
};

// The next page of a list: the target of rel="next" in a Link header; empty if there is none.
std::string next_page(const std::string& link_header);

}  // namespace bgem3
