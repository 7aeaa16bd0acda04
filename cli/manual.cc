#include <fmt/format.h>

#include <string_view>

#include "bgem3/version.h"
#include "description.h"

namespace bgem3::cli {

namespace {

// Text as troff shows it: nothing in it is a request, and '-' is the character that can be copied into a shell.
std::string escaped(std::string_view text) {
  std::string result = text.starts_with('.') ? "\\&" : "";
  for (const char c : text) {
    switch (c) {
      case '\\':
        result += "\\e";
        break;
      case '-':
        result += "\\-";
        break;
      case '\'':
        result += "\\(aq";
        break;
      case '`':
        result += "\\(ga";
        break;
      case '^':
        result += "\\(ha";
        break;
      case '~':
        result += "\\(ti";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string bold(std::string_view text) { return "\\fB" + escaped(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + escaped(text) + "\\fR"; }

// Lines of text: paragraphs where a line is empty, and as they are those that begin with white space.
void write_text(std::string& page, std::string_view text) {
  bool as_it_is = false;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.starts_with(' ') != as_it_is) {
      as_it_is = !as_it_is;
      page += as_it_is ? ".PP\n.EX\n" : ".EE\n";
    }
    if (line.empty()) {
      if (!text.empty()) page += ".PP\n";
    } else {
      page += escaped(line) + "\n";
    }
  }
  if (as_it_is) page += ".EE\n";
}

void write_option(std::string& page, const OptionDescription& option) {
  std::string names;
  for (const std::string& name : option.names) {
    names += (names.empty() ? "" : ", ") + (option.positional ? italic(name) : bold(name));
  }
  page += ".TP\n" + names;
  std::string choices;
  for (const std::string& choice : option.choices()) choices += (choices.empty() ? "" : "|") + bold(choice);
  if (!option.value.empty()) page += " " + (choices.empty() ? italic(option.value) : choices);
  page += "\n" + escaped(option.text) + (option.required ? " (required)" : "") + "\n";
}

void write_command(std::string& page, const CommandDescription& command) {
  std::string synopsis = "bgem3 " + command.path;
  for (const OptionDescription& option : command.options) {
    if (option.positional) synopsis += (option.required ? " " : " [") + option.names[0];
    if (option.positional && option.repeated) synopsis += " ...";
    if (option.positional && !option.required) synopsis += "]";
  }
  page += fmt::format(".SS \"{}\"\n", escaped(synopsis));
  write_text(page, command.help);
  for (const OptionDescription& option : command.options) write_option(page, option);
  if (!command.footer.empty()) {
    page += ".PP\n";
    write_text(page, command.footer);
  }
  for (const CommandDescription& below : command.commands) write_command(page, below);
}

}  // namespace

std::string write_manual(const CommandDescription& program) {
  std::string page = ".TH BGEM3 1 \"\" \"bgem3 " BGEM3_VERSION "\" \"User Commands\"\n";
  std::string summary = program.summary();
  if (summary.ends_with('.')) summary.pop_back();
  page += ".SH NAME\nbgem3 \\- " + escaped(summary) + "\n";
  page += ".SH SYNOPSIS\n.B bgem3\n.I command\n.RI [ option \" ...]\"\n";
  page += ".SH DESCRIPTION\n";
  write_text(page, program.help);
  page += ".SH OPTIONS\n";
  for (const OptionDescription& option : program.options) write_option(page, option);
  page += ".SH COMMANDS\n";
  for (const CommandDescription& command : program.commands) write_command(page, command);
  page += ".SH EXIT STATUS\n";
  write_text(page, program.footer);
  return page;
}

}  // namespace bgem3::cli
