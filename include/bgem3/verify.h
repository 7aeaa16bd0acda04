// Does a model give what it should on this machine? Start at verify_model; docs/verify.md has every check.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "bgem3/error.h"
#include "bgem3/model.h"
#include "bgem3/options.h"

#pragma GCC visibility push(default)
namespace bgem3 {

enum class Outcome {
  pass,
  fail,
  skipped,  // there is nothing to compare with, or what it needs has failed; the note says which
};

// "pass", "fail", "skipped"; never null.
const char* to_string(Outcome outcome);

// One comparison.
struct Check {
  std::string group;        // "files", "structure", "tokenizer", "values" or "fingerprint"
  std::string dtype;        // precision of the computation; empty for what does not depend on it
  std::string name;         // what was looked at
  std::string expected;     // as text: a hash, ids, a number; may be empty
  std::string found;        // the same
  double difference = 0;    // of numbers: |found - expected|, or the largest of many
  double tolerance = 0;     // the largest difference that passes; 0: they must be equal
  bool is_numeric = false;  // difference and tolerance mean something
  Outcome outcome = Outcome::pass;
  std::string note;  // one line: why it failed or was skipped, where the numbers come from
};

struct VerifyOptions {
  // The model, the machine (instruction set, threads, memory, cache). `dtype` and `hash_files` are not looked at.
  OpenOptions open = {};
  // The precisions to compute with; empty: those of the fingerprint in `against`, else f32.
  std::vector<std::string> dtypes = {};
  // The model is said to be BAAI/bge-m3 as published, wherever its files lie: its files, ids and values are compared
  // with the published ones, and whatever differs fails. False: so it is if it has that name in the Hugging Face cache,
  // or its files are recognised.
  bool published = false;
  // The content of a fingerprint (see VerifyReport::fingerprint) to compare with, and its name for messages.
  std::string against = {};
  std::string against_name = "fingerprint";
  bool record = false;  // make a fingerprint

  // Once a step, before it; by the calling thread; must not throw.
  std::function<void(const std::string& step)> on_step = {};
};

struct VerifyReport {
  std::string model;       // as the caller named it
  std::string folder;      // where its files are; empty if they were not found
  std::string revision;    // commit of a Hugging Face cache snapshot; empty for a plain folder
  bool published = false;  // it was compared with the published values of bge-m3
  std::vector<Check> checks;
  // A JSON object that another machine, or a later version, is compared with: files, ids, outputs of a fixed set of
  // texts. Empty unless it was asked for and every check passed.
  std::string fingerprint;

  bool passed() const;  // no check failed
};

// Checks a model's files, its structure, its tokenizer and what it computes. Whatever is wrong with the model is a
// failed check, which does not keep the others from being made. Throws InvalidInputError: an option, or a fingerprint
// that cannot be read, or was made with other texts, or has no such dtype; ResourceLimitError.
// Cost, for bge-m3 on two cores: reads the files twice (3 s), then some 2,000 tokens in each dtype (10 s in f32).
VerifyReport verify_model(const VerifyOptions& options);

}  // namespace bgem3
#pragma GCC visibility pop
