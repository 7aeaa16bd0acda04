// bgem3 verify: whether a model gives what it should on this machine.
#include "bgem3/verify.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bgem3/version.h"
#include "byte_source.h"
#include "commands.h"
#include "failure.h"
#include "json_writer.h"
#include "output.h"
#include "progress.h"
#include "unicode.h"

namespace bgem3::cli {

namespace {

constexpr size_t kShownFailures = 10;                         // of a group, without --verbose
constexpr size_t kShownCharacters = 100;                      // of a value, without --verbose
constexpr uint64_t kLongestFingerprint = uint64_t{64} << 20;  // far above any real one

std::string read_whole(const std::string& path) {
  const std::unique_ptr<ByteSource> source = open_file(path);
  if (source->size_bytes() > kLongestFingerprint) source->fail("too large for a fingerprint");
  std::string content(source->size_bytes(), '\0');
  source->read(content.data(), content.size());
  return content;
}

struct Counts {
  size_t passed = 0, failed = 0, skipped = 0;

  void add(Outcome outcome) { ++(outcome == Outcome::pass ? passed : outcome == Outcome::fail ? failed : skipped); }
};

Counts count(const std::vector<Check>& checks) {
  Counts counts;
  for (const Check& check : checks) counts.add(check.outcome);
  return counts;
}

std::string to_json(const VerifyReport& report) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("version").value(BGEM3_VERSION);
  json.key("model").value(report.model).key("folder").value(report.folder).key("revision").value(report.revision);
  json.key("published").value(report.published).key("passed").value(report.passed());
  const Counts counts = count(report.checks);
  json.key("counts").begin_object().key("pass").value(counts.passed).key("fail").value(counts.failed);
  json.key("skipped").value(counts.skipped).end_object();
  json.key("checks").begin_array();
  for (const Check& check : report.checks) {
    json.begin_object().key("group").value(check.group).key("dtype").value(check.dtype);
    json.key("name").value(check.name).key("expected").value(check.expected).key("found").value(check.found);
    json.key("difference");
    check.is_numeric ? json.value(check.difference) : json.json("null");
    json.key("tolerance");
    check.is_numeric ? json.value(check.tolerance) : json.json("null");
    json.key("outcome").value(to_string(check.outcome)).key("note").value(check.note).end_object();
  }
  json.end_array().end_object();
  return out + "\n";
}

void append_check(std::string& out, const Check& check, size_t characters) {
  const auto at = std::back_inserter(out);
  fmt::format_to(at, "  {:<8}{}\n", to_string(check.outcome), printable(check.name));
  const auto line = [&](const char* name, const std::string& value) {
    if (!value.empty()) fmt::format_to(at, "          {:<12}{}\n", name, printable(value, characters));
  };
  if (check.expected != check.found) line("expected", check.expected);
  line("found", check.found);
  if (check.is_numeric && check.expected != check.found) {
    line("difference", check.tolerance > 0 ? fmt::format("{:.2g} (at most {:.2g})", check.difference, check.tolerance)
                                           : fmt::format("{:.2g}", check.difference));
  }
  if (!check.note.empty()) fmt::format_to(at, "          {}\n", printable(check.note));
}

// The checks of one group and precision, which stand together in the report.
void append_group(std::string& out, const std::vector<const Check*>& checks, bool verbose) {
  Counts counts;
  for (const Check* check : checks) counts.add(check->outcome);
  const std::string name = checks[0]->group + (checks[0]->dtype.empty() ? "" : ", " + checks[0]->dtype);
  fmt::format_to(std::back_inserter(out), "{:<20}{}: {} passed, {} failed, {} skipped\n", name,
                 counts.failed > 0   ? "FAIL"
                 : counts.passed > 0 ? "pass"
                                     : "skipped",
                 counts.passed, counts.failed, counts.skipped);
  size_t shown = 0;
  for (const Check* check : checks) {
    const bool failed = check->outcome == Outcome::fail;
    if (!verbose && (!failed || shown == kShownFailures)) continue;
    append_check(out, *check, verbose ? SIZE_MAX : kShownCharacters);
    ++shown;
  }
  if (!verbose && counts.failed > shown) {
    fmt::format_to(std::back_inserter(out), "  and {} more (--verbose shows all)\n", counts.failed - shown);
  }
  if (verbose || counts.failed > 0) return;
  // What nobody looked at is worth a line, once for each reason.
  std::vector<std::pair<std::string, size_t>> reasons;
  for (const Check* check : checks) {
    if (check->outcome != Outcome::skipped) continue;
    const auto known =
        std::find_if(reasons.begin(), reasons.end(), [&](const auto& reason) { return reason.first == check->note; });
    ++(known == reasons.end() ? reasons.emplace_back(check->note, 0) : *known).second;
  }
  for (const auto& [reason, times] : reasons) {
    fmt::format_to(std::back_inserter(out), "  {} skipped: {}\n", times, printable(reason));
  }
}

std::string to_text(const VerifyReport& report, bool verbose) {
  std::string out = fmt::format("model               {}\n", printable(report.model));
  if (!report.folder.empty()) out += fmt::format("folder              {}\n", printable(report.folder));
  std::vector<std::vector<const Check*>> groups;
  for (const Check& check : report.checks) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const std::vector<const Check*>& checks) {
      return checks[0]->group == check.group && checks[0]->dtype == check.dtype;
    });
    (group == groups.end() ? groups.emplace_back() : *group).push_back(&check);
  }
  for (const auto& group : groups) append_group(out, group, verbose);
  const Counts counts = count(report.checks);
  out += counts.failed > 0 ? fmt::format("FAILED: {} of {} checks\n", counts.failed, report.checks.size())
                           : fmt::format("passed: {} checks, {} skipped\n", counts.passed, counts.skipped);
  return out;
}

}  // namespace

int run_verify(const VerifyArguments& arguments) {
  VerifyOptions options;
  options.open = arguments.open;
  options.dtypes = arguments.dtypes;
  options.published = arguments.published;
  options.record = !arguments.record.empty();
  if (!arguments.against.empty()) {
    options.against = read_whole(arguments.against);
    options.against_name = arguments.against;
    if (options.against.empty()) {
      throw InputError(fmt::format("{}: expected a fingerprint, found an empty file", arguments.against));
    }
  }
  // Claims its place before minutes of work.
  std::unique_ptr<AtomicFile> record;
  if (options.record) record = std::make_unique<AtomicFile>(arguments.record);

  Progress progress(arguments.quiet, can_draw());
  if (!arguments.quiet && isatty(STDERR_FILENO) == 1) {
    options.on_step = [&](const std::string& step) { progress.message(step); };
  }
  const VerifyReport report = verify_model(options);
  if (record && report.passed()) {
    record->out().write(report.fingerprint);
    record->publish();
  } else if (record) {
    progress.message(fmt::format("{} is not written: record a model that passes", arguments.record));
  }
  OutputFile out = OutputFile::standard();
  out.write(arguments.json ? to_json(report) : to_text(report, arguments.verbose));
  out.finish();
  return report.passed() ? kExitOk : kExitFailure;
}

}  // namespace bgem3::cli
