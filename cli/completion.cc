#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <sstream>
#include <string_view>

#include "bgem3/version.h"
#include "description.h"

namespace bgem3::cli {

namespace {

// A string as a word of a shell's source. All three shells end a quote alike.
std::string quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

// Words as one word, with spaces between.
std::string quoted_words(const std::vector<std::string>& words) {
  return quoted(fmt::format("{}", fmt::join(words, " ")));
}

// The program, then all commands, each before those below it.
void visit(const CommandDescription& command, const std::function<void(const CommandDescription&)>& function) {
  function(command);
  for (const CommandDescription& below : command.commands) visit(below, function);
}

bool takes_files(const CommandDescription& command) {
  for (const OptionDescription& option : command.options) {
    if (option.positional && option.takes_file()) return true;
  }
  return false;
}

// The words that may stand where an argument is expected: the commands below, or a positional argument's choices.
std::vector<std::string> argument_words(const CommandDescription& command) {
  std::vector<std::string> words;
  for (const CommandDescription& below : command.commands) words.push_back(below.name());
  for (const OptionDescription& option : command.options) {
    if (!option.positional) continue;
    for (const std::string& choice : option.choices()) words.push_back(choice);
  }
  return words;
}

// ---- bash ----

std::string bash_completion(const CommandDescription& program) {
  std::string commands, values, options, arguments;
  visit(program, [&](const CommandDescription& command) {
    for (const CommandDescription& below : command.commands) {
      commands +=
          fmt::format("      {}) command={} ;;\n", quoted(command.path + "/" + below.name()), quoted(below.path));
    }
    std::vector<std::string> names;
    for (const OptionDescription& option : command.options) {
      if (option.positional) continue;
      names.insert(names.end(), option.names.begin(), option.names.end());
      if (option.value.empty()) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : option.names) patterns.push_back(quoted(command.path + "/" + name));
      std::string answer;
      if (!option.choices().empty()) {
        answer = "_bgem3_words " + quoted_words(option.choices());
      } else if (option.takes_file()) {
        answer = "_bgem3_paths -f";
      } else if (option.takes_folder()) {
        answer = "_bgem3_paths -d";
      }
      values += fmt::format("    {}) {}{}return ;;\n", fmt::join(patterns, "|"), answer, answer.empty() ? "" : "; ");
    }
    options += fmt::format("      {}) _bgem3_words {} ;;\n", quoted(command.path), quoted_words(names));
    const std::vector<std::string> words = argument_words(command);
    if (!words.empty()) {
      arguments += fmt::format("      {}) _bgem3_words {} ;;\n", quoted(command.path), quoted_words(words));
    } else if (takes_files(command)) {
      arguments += fmt::format("      {}) _bgem3_paths -f ;;\n", quoted(command.path));
    }
  });
  return R"(_bgem3_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word"); }

_bgem3_paths() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$word")
}

_bgem3() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' i
  if [[ $word == '=' ]]; then
    word=''
  elif [[ $previous == '=' ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case $command/${COMP_WORDS[i]} in
)" + commands +
         R"(    esac
  done
  COMPREPLY=()
  case $command/$previous in
)" + values +
         R"(  esac
  if [[ $word == -* ]]; then
    case $command in
)" + options +
         R"(    esac
  else
    case $command in
)" + arguments +
         R"(    esac
  fi
}

complete -F _bgem3 bgem3
)";
}

// ---- zsh ----

// Text inside the brackets of a specification of _arguments.
std::string zsh_text(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string zsh_action(const OptionDescription& option) {
  if (!option.choices().empty()) return fmt::format("({})", fmt::join(option.choices(), " "));
  if (option.takes_file()) return "_files";
  if (option.takes_folder()) return "_files -/";
  return " ";
}

std::string zsh_function(const CommandDescription& command) {
  std::string name = "_bgem3 " + command.path;
  while (name.ends_with(' ')) name.pop_back();
  for (char& c : name) c = c == ' ' ? '_' : c;
  return name;
}

void write_zsh_function(std::string& file, const CommandDescription& command) {
  file += fmt::format("\n{}() {{\n  local curcontext=$curcontext state line\n  typeset -A opt_args\n  _arguments -C",
                      zsh_function(command));
  for (const OptionDescription& option : command.options) {
    const std::string value =
        option.value.empty() && !option.positional
            ? ""
            : fmt::format(":{}:{}", zsh_text(option.value.empty() ? option.names[0] : "value"), zsh_action(option));
    if (option.positional) {
      file += fmt::format(" \\\n    {}", quoted((option.repeated ? "*" : "") + value));
      continue;
    }
    for (const std::string& option_name : option.names) {
      const std::string others = option.repeated ? "*" : fmt::format("({})", fmt::join(option.names, " "));
      const char* const joined = !option.value.empty() && option_name.starts_with("--") ? "=" : "";
      file +=
          fmt::format(" \\\n    {}", quoted(others + option_name + joined + "[" + zsh_text(option.text) + "]" + value));
    }
  }
  if (command.commands.empty()) {
    file += "\n}\n";
    return;
  }
  file +=
      " \\\n    '1:command:->command' '*::argument:->argument'\n  case $state in\n    command)\n"
      "      local -a commands=(";
  for (const CommandDescription& below : command.commands) {
    file += fmt::format("\n        {}", quoted(zsh_text(below.name()) + ":" + zsh_text(below.summary())));
  }
  file += "\n      )\n      _describe command commands ;;\n    argument)\n      case $words[1] in\n";
  for (const CommandDescription& below : command.commands) {
    file += fmt::format("        {}) {} ;;\n", below.name(), zsh_function(below));
  }
  file += "      esac ;;\n  esac\n}\n";
  for (const CommandDescription& below : command.commands) write_zsh_function(file, below);
}

std::string zsh_completion(const CommandDescription& program) {
  std::string file;
  write_zsh_function(file, program);
  // Autoloaded, the file is the function; sourced, it tells zsh of it.
  return file + "\nif [[ $funcstack[1] == _bgem3 ]]; then\n  _bgem3 \"$@\"\nelse\n  compdef _bgem3 bgem3\nfi\n";
}

// ---- fish ----

// True where the command's own options and arguments stand.
std::string fish_condition(const CommandDescription& command) {
  if (command.path.empty()) return "__fish_use_subcommand";
  std::string condition;
  std::istringstream words(command.path);
  for (std::string word; words >> word;) {
    condition += (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
  }
  if (!command.commands.empty()) {
    condition += "; and not __fish_seen_subcommand_from";
    for (const CommandDescription& below : command.commands) condition += " " + below.name();
  }
  return condition;
}

std::string fish_completion(const CommandDescription& program) {
  std::string file = "complete -c bgem3 -f\n";
  visit(program, [&](const CommandDescription& command) {
    const std::string line = fmt::format("complete -c bgem3 -n {}", quoted(fish_condition(command)));
    for (const CommandDescription& below : command.commands) {
      file += fmt::format("{} -a {} -d {}\n", line, below.name(), quoted(below.summary()));
    }
    for (const OptionDescription& option : command.options) {
      const std::string choices = quoted_words(option.choices());
      if (option.positional) {
        file += option.choices().empty() ? line + " -F\n" : fmt::format("{} -a {}\n", line, choices);
        continue;
      }
      file += line;
      for (const std::string& name : option.names) {
        file += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (!option.choices().empty()) {
        file += " -x -a " + choices;
      } else if (option.takes_file()) {
        file += " -r -F";
      } else if (option.takes_folder()) {
        file += " -x -a '(__fish_complete_directories)'";
      } else if (!option.value.empty()) {
        file += " -x";
      }
      file += " -d " + quoted(option.text) + "\n";
    }
  });
  return file;
}

}  // namespace

std::string write_completion(const CommandDescription& program, Shell shell) {
  const auto comment = [](const char* name) {
    return fmt::format("# Completion of bgem3 {} in {}, written by `bgem3 completion {}`.\n", BGEM3_VERSION, name,
                       name);
  };
  switch (shell) {
    case Shell::bash:
      return comment("bash") + bash_completion(program);
    case Shell::zsh:
      return "#compdef bgem3\n" + comment("zsh") + zsh_completion(program);
    case Shell::fish:
      break;
  }
  return comment("fish") + fish_completion(program);
}

}  // namespace bgem3::cli
