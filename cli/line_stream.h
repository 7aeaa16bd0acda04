// Records in, a line of JSON each out: what tokenize and chunk do. Start at write_lines.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "output.h"
#include "progress.h"
#include "rejections.h"
#include "signals.h"
#include "text_reader.h"

namespace bgem3::cli {

// Appends the line of a record. Throws InvalidInputError for one that cannot be used.
using AppendLine = std::function<void(std::string& line, const Record& record)>;

struct LinesWritten {
  size_t count = 0;
  bool interrupted = false;  // by a signal; the lines are whole
};

// Until the end or a signal. Lines are shown whenever the input pauses; unusable records go to `rejections`. Finishes
// both outputs.
LinesWritten write_lines(RecordSource& source, const AppendLine& append, OutputFile out, Rejections& rejections,
                         Progress& progress, const Signals& signals);

}  // namespace bgem3::cli
