#include "description.h"

#include <CLI/CLI.hpp>

namespace bgem3::cli {

namespace {

// One that may be given both ways, as a positional argument and by name, is two.
void describe(const CLI::Option& option, std::vector<OptionDescription>& options) {
  OptionDescription described;
  if (option.get_items_expected_max() > 0) described.value = option.get_type_name();
  described.text = option.get_description();
  if (!option.get_default_str().empty()) described.text += " [" + option.get_default_str() + "]";
  described.required = option.get_required();
  described.repeated = option.get_items_expected_max() > 1;
  if (option.get_positional()) {
    described.positional = true;
    described.names = {option.get_name(true)};
    options.push_back(described);
    described.positional = false;
    described.names.clear();
    if (described.value.empty()) described.value = option.get_name(true);
  }
  for (const std::string& name : option.get_snames()) described.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) described.names.push_back("--" + name);
  if (!described.names.empty()) options.push_back(described);
}

CommandDescription describe(const CLI::App& command, const std::string& path) {
  CommandDescription described;
  described.path = path;
  described.help = command.get_description();
  // A command without a footer of its own has its parent's.
  const CLI::App* const parent = command.get_parent();
  if (!parent || command.get_footer() != parent->get_footer()) described.footer = command.get_footer();
  for (const CLI::Option* option : command.get_options()) describe(*option, described.options);
  for (const CLI::App* below : command.get_subcommands({})) {
    described.commands.push_back(describe(*below, (path.empty() ? "" : path + " ") + below->get_name()));
  }
  return described;
}

}  // namespace

std::vector<std::string> OptionDescription::choices() const {
  if (value.find('|') == std::string::npos) return {};
  return CLI::detail::split(value, '|');
}

bool OptionDescription::takes_file() const { return value.starts_with("FILE") || (positional && choices().empty()); }

bool OptionDescription::takes_folder() const { return value == "FOLDER" || value == "MODEL"; }

std::string CommandDescription::name() const { return path.substr(path.rfind(' ') + 1); }

std::string CommandDescription::summary() const { return help.substr(0, help.find('\n')); }

CommandDescription describe(const CLI::App& program) { return describe(program, ""); }

}  // namespace bgem3::cli
