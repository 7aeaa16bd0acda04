// bgem3, the command line program: parses, runs one command, and turns whatever it throws into one line and an exit
// code.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <variant>

#include "arguments.h"
#include "commands.h"
#include "failure.h"
#include "output.h"
#include "signals.h"
#include "unicode.h"

namespace bgem3::cli {
namespace {

template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};

int run(int argc, char** argv) {
  Signals signals;
  const Arguments arguments = parse_arguments(argc, argv, isatty(STDIN_FILENO) == 1);
  return std::visit(Overloaded{
                        [](const ShowText& show) {
                          OutputFile out = OutputFile::standard();
                          out.write(show.text);
                          out.finish();
                          return int{kExitOk};
                        },
                        [&](const EmbedArguments& command) { return run_embed(command, signals); },
                        [&](const TokenizeArguments& command) { return run_tokenize(command, signals); },
                        [&](const ChunkArguments& command) { return run_chunk(command, signals); },
                        [&](const InfoArguments& command) { return run_info(command); },
                        [&](const SearchArguments& command) { return run_search(command, signals); },
                        [&](const PullArguments& command) { return run_pull(command, signals); },
                        [](const HistoryArguments& command) { return run_history(command); },
                        [](const VerifyArguments& command) { return run_verify(command); },
                        [](const CacheListArguments& command) { return run_cache_list(command); },
                        [](const CacheCleanArguments& command) { return run_cache_clean(command); },
                    },
                    arguments);
}

int report(const std::exception& error, const char* what) {
  fmt::print(stderr, "bgem3: {}: {}\n", dynamic_cast<const Interrupted*>(&error) ? "stopped" : "error",
             printable(what));
  return exit_code(error);
}

int guarded_run(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const OutputClosed&) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
    return kExitSignal + SIGPIPE;
  } catch (const std::bad_alloc& error) {
    return report(error, "out of memory");
  } catch (const std::exception& error) {
    return report(error, error.what());
  }
}

}  // namespace
}  // namespace bgem3::cli

int main(int argc, char** argv) {
  // Writing to what is closed or full is answered with an error, which every write checks.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  return bgem3::cli::guarded_run(argc, argv);
}
