#include "line_stream.h"

#include "bgem3/error.h"

namespace bgem3::cli {

LinesWritten write_lines(RecordSource& source, const AppendLine& append, OutputFile out, Rejections& rejections,
                         Progress& progress, const Signals& signals) {
  LinesWritten written;
  std::string line;
  Record record;
  ReadResult state = ReadResult::idle;
  while (true) {
    if (state == ReadResult::idle) out.flush();  // nothing more for now: show what there is
    const bool must_wait = state == ReadResult::idle;
    state = signals.received() != 0 ? ReadResult::stopped : source.next(record, must_wait);
    if (state == ReadResult::stopped || state == ReadResult::end) break;
    if (state == ReadResult::idle) continue;
    line.clear();
    try {
      if (!record.reason.empty()) throw InvalidInputError(ErrorCode::invalid_input, record.reason);
      append(line, record);
    } catch (const InvalidInputError& error) {
      if (rejections.fails_at_first()) out.flush();
      rejections.add(record, error.what(), progress);
      continue;
    }
    out.write(line);
    ++written.count;
  }
  out.finish();
  rejections.finish();
  written.interrupted = state == ReadResult::stopped;
  return written;
}

}  // namespace bgem3::cli
