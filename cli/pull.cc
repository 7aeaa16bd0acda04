// bgem3 pull: a model from the Hugging Face hub into the cache, or only the question whether there is a newer one; and
// the offer of it that other commands make.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <iterator>

#include "bgem3/hub.h"
#include "commands.h"
#include "failure.h"
#include "json_writer.h"
#include "output.h"
#include "progress.h"
#include "unicode.h"

namespace bgem3::cli {

namespace {

// Downloads, with progress and what is worth a line on standard error.
PullResult pull(const std::string& model, bool latest, bool quiet, Signals& signals) {
  Progress progress(quiet, can_draw());
  PullProgress state;
  PullOptions options;
  options.model = model;
  options.latest = latest;
  options.stop = signals.token();
  options.on_progress = [&](const PullProgress& now) { progress.update(state = now); };
  options.on_notice = [&](const std::string& what) { progress.message(what); };
  signals.hold();
  try {
    PullResult result = pull_model(options);
    progress.clear();
    if (!quiet) {
      progress.message(fmt::format("{}: revision {}, {} in {}, {} downloaded in {}", result.repository, result.revision,
                                   format_bytes(state.bytes_total), plural(result.files.size(), "file"),
                                   format_bytes(state.bytes_transferred), format_duration(state.seconds)));
      progress.message(fmt::format("bgem3 verify {} checks what it computes on this machine", model));
    }
    signals.release();
    return result;
  } catch (const EmbeddingGenerationError& error) {
    if (error.code() != ErrorCode::cancelled || signals.received() == 0) throw;
    throw Interrupted(signals.received(), fmt::format("{}; {} of {} are in the cache, pull again to go on",
                                                      signals.received() == SIGTERM ? "SIGTERM" : "SIGINT",
                                                      format_bytes(state.bytes_done), format_bytes(state.bytes_total)));
  }
}

std::string to_json(const PullResult& result) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("repository").value(result.repository).key("revision").value(result.revision);
  json.key("folder").value(result.folder).key("files").begin_array();
  for (const PulledFile& file : result.files) {
    json.begin_object().key("name").value(file.name).key("size_bytes").value(file.size_bytes);
    json.key("bytes_transferred").value(file.bytes_transferred).end_object();
  }
  json.end_array().end_object();
  return out + "\n";
}

std::string to_json(const UpdateCheck& check) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("repository").value(check.repository).key("status").value(to_string(check.status));
  json.key("installed").value(check.installed).key("latest").value(check.latest);
  json.key("compatible").value(check.compatible).key("incompatibility").value(check.incompatibility);
  json.key("download_bytes").value(check.download_bytes).key("changes").begin_array();
  for (const FileChange& change : check.changes) {
    json.begin_object().key("name").value(change.name).key("part").value(change.part);
    json.key("change").value(change.change).end_object();
  }
  json.end_array().end_object();
  return out + "\n";
}

std::string to_text(const UpdateCheck& check) {
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    fmt::format_to(std::back_inserter(out), "{:<12}{}\n", name, printable(value));
  };
  line("model", check.repository);
  line("status", to_string(check.status));
  if (!check.installed.empty()) line("installed", check.installed);
  line("latest", check.latest);
  if (check.status == UpdateStatus::up_to_date) return out;
  if (check.status == UpdateStatus::update_available) {
    for (const FileChange& change : check.changes) {
      line(change.part, fmt::format("{} ({})", change.name, change.change));
    }
  }
  line("compatible", check.compatible ? "yes, as far as its configuration tells" : "no: " + check.incompatibility);
  if (check.compatible) line("download", format_bytes(check.download_bytes));
  return out;
}

int run_check(const PullArguments& arguments, const Signals& signals) {
  const UpdateCheck check = check_for_update(arguments.model, signals.token());
  OutputFile out = OutputFile::standard();
  out.write(arguments.json ? to_json(check) : to_text(check));
  out.finish();
  switch (check.status) {
    case UpdateStatus::up_to_date:
      return kExitOk;
    case UpdateStatus::update_available:
      return check.compatible ? kExitUpdate : kExitUpdateIncompatible;
    case UpdateStatus::not_installed:
      break;
  }
  return kExitModel;
}

// True for "y" or "yes". Reads no further than the line: what follows may be texts.
bool ask(const std::string& question) {
  fmt::print(stderr, "bgem3: {} [y/N] ", printable(question));
  std::string answer;
  for (char c = 0; read(STDIN_FILENO, &c, 1) == 1 && c != '\n';) answer += c;
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace

int run_pull(const PullArguments& arguments, Signals& signals) {
  if (arguments.check) return run_check(arguments, signals);
  const PullResult result = pull(arguments.model, arguments.latest, arguments.quiet, signals);
  OutputFile out = OutputFile::standard();
  out.write(arguments.json ? to_json(result) : result.folder + "\n");
  out.finish();
  return kExitOk;
}

void offer_pull(const std::string& model, bool pull_without_asking, bool quiet, Signals& signals) {
  if (!pull_without_asking && (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)) return;
  if (!is_missing_from_cache(model)) return;
  if (pull_without_asking ||
      ask(fmt::format("{} is not in the Hugging Face cache. Download it now, as \"bgem3 pull {}\" does?", model,
                      model))) {
    pull(model, false, quiet, signals);
  }
}

}  // namespace bgem3::cli
