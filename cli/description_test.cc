#include "description.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "arguments.h"

namespace bgem3::cli {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string printed(std::initializer_list<const char*> words) {
  std::vector<const char*> argv = {"bgem3"};
  argv.insert(argv.end(), words);
  return std::get<ShowText>(parse_arguments(static_cast<int>(argv.size()), argv.data(), false)).text;
}

// A program with what ours has and may get: commands below commands, quotes and brackets in texts.
CommandDescription sample() {
  const OptionDescription help = {.names = {"-h", "--help"}, .text = "Print this help"};
  return {
      .path = "",
      .help = "A sample",
      .footer = "Exit codes: 0 done.",
      .options = {help},
      .commands = {{.path = "cut",
                    .help = "Cut a file.\n\nExamples:\n  bgem3 cut 'a b'\n",
                    .footer = "",
                    .options = {help,
                                {.names = {"FILE"}, .positional = true, .text = "What to cut", .repeated = true},
                                {.names = {"-o", "--output"}, .value = "FILE", .text = "Where to [standard output]"},
                                {.names = {"--how"}, .value = "across|along", .text = "It's: [across]"},
                                {.names = {"--cache"}, .value = "FOLDER", .text = "A folder"},
                                {.names = {"--times"}, .value = "N", .text = "How often"}},
                    .commands = {}},
                   {.path = "cache",
                    .help = "What is kept",
                    .footer = "",
                    .options = {help},
                    .commands = {{.path = "cache clean",
                                  .help = "Remove it",
                                  .footer = "",
                                  .options = {help, {.names = {"--all"}, .text = "Everything"}},
                                  .commands = {}}}}}};
}

TEST(Description, OfTheProgramHasEveryCommand) {
  const std::string manual = printed({"manual"});
  const std::string bash = printed({"completion", "bash"});
  for (const char* command :
       {"embed", "tokenize", "chunk", "info", "search", "history", "verify", "cache", "completion", "manual"}) {
    EXPECT_TRUE(contains(manual, std::string("\n.SS \"bgem3 ") + command)) << command;
    EXPECT_TRUE(contains(bash, std::string("'/") + command + "') command=")) << command;
  }
  EXPECT_TRUE(contains(manual, "\\fB\\-o\\fR, \\fB\\-\\-output\\fR \\fIFILE\\fR\n"));
  EXPECT_TRUE(contains(manual, "\\fB\\-\\-on\\-error\\fR \\fBfail\\fR|\\fBskip\\fR\n"));
  EXPECT_TRUE(contains(manual, "\\fB\\-\\-isa\\fR \\fINAME\\fR\n"));
  EXPECT_TRUE(contains(manual, "(same bits on each) [auto]\n"));
  EXPECT_TRUE(contains(manual, "\n.SS \"bgem3 search [CORPUS]\"\n"));
  EXPECT_TRUE(contains(manual, "\n.SS \"bgem3 embed [FILE ...]\"\n"));
  EXPECT_TRUE(contains(manual, "\n.SS \"bgem3 history FILE\"\n"));
  EXPECT_TRUE(contains(manual, "\n.SS \"bgem3 cache clean\"\n"));
  EXPECT_TRUE(contains(manual, "\n.SS \"bgem3 verify [MODEL]\"\n"));  // which may also be given by name
  EXPECT_TRUE(contains(bash, "'verify/--model') _bgem3_paths -d; return ;;\n"));
  const std::string program_codes = "Exit codes: 0 done; 1 failed";  // not repeated by every command
  EXPECT_EQ(manual.find(program_codes), manual.rfind(program_codes));
}

TEST(Description, ManualShowsExamplesAsTheyAre) {
  const std::string manual = write_manual(sample());
  EXPECT_TRUE(contains(manual, "Cut a file.\n.PP\nExamples:\n.PP\n.EX\n  bgem3 cut \\(aqa b\\(aq\n.EE\n")) << manual;
  EXPECT_TRUE(contains(manual, ".SS \"bgem3 cache clean\"\nRemove it\n"));
}

TEST(Description, ManualEscapesWhatTroffReads) {
  CommandDescription program = sample();
  program.help = "Summary\n.so is no request, 'tis no string\n'nor this: a\\b ~ ^ `\n";
  const std::string manual = write_manual(program);
  EXPECT_TRUE(contains(manual, "\n\\&.so is no request, \\(aqtis no string\n\\(aqnor this: a\\eb \\(ti \\(ha \\(ga\n"))
      << manual;
}

TEST(Description, BashKnowsCommandsOptionsAndValues) {
  const std::string file = write_completion(sample(), Shell::bash);
  EXPECT_TRUE(contains(file, "'/cache') command='cache' ;;\n"));
  EXPECT_TRUE(contains(file, "'cache/clean') command='cache clean' ;;\n"));
  EXPECT_TRUE(contains(file, "'cut/--how') _bgem3_words 'across along'; return ;;\n"));
  EXPECT_TRUE(contains(file, "'cut/-o'|'cut/--output') _bgem3_paths -f; return ;;\n"));
  EXPECT_TRUE(contains(file, "'cut/--cache') _bgem3_paths -d; return ;;\n"));
  EXPECT_TRUE(contains(file, "'cut/--times') return ;;\n"));
  EXPECT_TRUE(contains(file, "'cache clean') _bgem3_words '-h --help --all' ;;\n"));
  EXPECT_TRUE(contains(file, "'cut') _bgem3_paths -f ;;\n"));
}

TEST(Description, ZshQuotesItsTexts) {
  const std::string file = write_completion(sample(), Shell::zsh);
  EXPECT_TRUE(file.starts_with("#compdef bgem3\n"));
  EXPECT_TRUE(contains(file, "'(--how)--how=[It'\\''s\\: \\[across\\]]:value:(across along)'")) << file;
  EXPECT_TRUE(contains(file, "'*:FILE:_files'"));
  EXPECT_TRUE(contains(file, "clean) _bgem3_cache_clean ;;\n"));
}

TEST(Description, FishShowsACommandsOptionsAfterIt) {
  const std::string file = write_completion(sample(), Shell::fish);
  EXPECT_TRUE(
      contains(file, "-n '__fish_seen_subcommand_from cut' -l how -x -a 'across along' -d 'It'\\''s: [across]'\n"))
      << file;
  EXPECT_TRUE(contains(file,
                       "-n '__fish_seen_subcommand_from cache; and not __fish_seen_subcommand_from clean' "
                       "-a clean -d 'Remove it'\n"));
  EXPECT_TRUE(contains(
      file, "-n '__fish_seen_subcommand_from cache; and __fish_seen_subcommand_from clean' -l all -d 'Everything'\n"));
}

}  // namespace
}  // namespace bgem3::cli
