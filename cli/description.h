// The command line as data, read from its definition: what the manual page and the completions are written from, so
// that no option stands in a second place. Start at describe.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace bgem3::cli {

struct OptionDescription {
  std::vector<std::string> names;  // "-o", "--output"; of a positional argument its one name: "FILE"
  bool positional = false;
  std::string value = {};  // what it takes: "FILE", or its choices: "cls|mean"; "": it is a flag
  std::string text = {};   // with its default in brackets
  bool required = false;
  bool repeated = false;  // may be given several times

  std::vector<std::string> choices() const;  // none: any value
  bool takes_file() const;
  bool takes_folder() const;
};

// A command, or the program.
struct CommandDescription {
  std::string path;  // "embed", "cache clean"; "" of the program
  std::string help;  // its first line is a summary; lines that begin with white space are to be shown as they are
  std::string footer;
  std::vector<OptionDescription> options;
  std::vector<CommandDescription> commands;

  std::string name() const;  // the last word of its path
  std::string summary() const;
};

CommandDescription describe(const CLI::App& program);

// The manual page in troff's man macros, to be installed as bgem3.1.
std::string write_manual(const CommandDescription& program);

enum class Shell { bash, zsh, fish };

// The completion file of a shell.
std::string write_completion(const CommandDescription& program, Shell shell);

}  // namespace bgem3::cli
