// The ways the program ends badly, and the exit code of each.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

#include "bgem3/error.h"

namespace bgem3::cli {

// Exit codes of the program: few and stable (docs and `bgem3 --help` list them).
enum ExitCode {
  kExitOk = 0,
  kExitFailure = 1,             // an input cannot be read, a record is bad (--on-error fail), a limit, a bug
  kExitUsage = 2,               // the command line asks for what cannot be
  kExitRejected = 3,            // finished, but some records were rejected (--on-error skip)
  kExitOutput = 4,              // the output cannot be written
  kExitModel = 5,               // the model or its tokenizer cannot be loaded or pulled
  kExitUpdate = 6,              // pull --check: there is a newer revision
  kExitUpdateIncompatible = 7,  // the same, and it is one that bgem3 does not run
  kExitSignal = 128,            // plus the number of the signal: 130 (SIGINT), 143 (SIGTERM)
};

// An option or argument that cannot be served.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An input file that cannot be read, or a record that is bad.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An output that cannot be written: a full disk, no permission, something in the way.
class OutputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Whoever read standard output has gone (`| head`): the program ends without a word, as SIGPIPE would end it.
class OutputClosed : public std::exception {};

// SIGINT or SIGTERM arrived; the message says what was kept.
class Interrupted : public std::runtime_error {
 public:
  Interrupted(int signal, const std::string& message) : std::runtime_error(message), signal_(signal) {}
  int signal() const { return signal_; }

 private:
  int signal_;
};

// The exit code of an error. This table is the only place that decides.
int exit_code(const std::exception& error);

}  // namespace bgem3::cli
