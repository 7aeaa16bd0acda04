#include "embed_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace bgem3::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kFirstTexts = 64;
constexpr size_t kMostTexts = 4096;
constexpr size_t kMostBytes = size_t{8} << 20;
constexpr size_t kMostBytesForMulti = size_t{64} << 10;  // whose multi-vectors take a thousand times as much
constexpr double kShortSeconds = 1, kLongSeconds = 4;
constexpr size_t kMostIds = size_t{1} << 20;  // remembered, to find repeated ones

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Reads until the piece is full, the input pauses or ends, or a record is bad enough to end the run. With
// `whole_documents` it ends with the last chunk of one.
ReadResult read_piece(RecordSource& reader, size_t most_texts, size_t most_bytes, bool end_at_bad_record,
                      bool whole_documents, std::vector<Record>& piece) {
  piece.clear();
  size_t bytes = 0;
  const auto in_document = [&] {
    return whole_documents && !piece.empty() && piece.back().chunk && !piece.back().chunk->last;
  };
  while ((piece.size() < most_texts && bytes < most_bytes) || in_document()) {
    Record record;
    const ReadResult result = reader.next(record, piece.empty());
    if (result != ReadResult::record) return result;
    bytes += record.text.size();
    const bool bad = !record.reason.empty();
    piece.push_back(std::move(record));
    if (bad && end_at_bad_record) break;
  }
  return ReadResult::record;
}

// Each document's chunks as spans of it; the records of a document that is refused get the reason.
std::vector<EmbedResult> embed_documents(std::vector<Record>& piece, const Embedder& embedder,
                                         const EmbedOptions& options) {
  std::vector<EmbedResult> results;
  for (size_t first = 0, last = 0; first < piece.size(); first = last) {
    last = first + 1;
    if (!piece[first].chunk) continue;
    const std::shared_ptr<const std::string> text = piece[first].chunk->text;
    while (last < piece.size() && piece[last].chunk && piece[last].chunk->text == text) last++;
    const std::span<Record> records = std::span(piece).subspan(first, last - first);
    std::vector<ByteRange> spans;
    for (const Record& record : records) {
      spans.push_back({record.chunk->metadata.start_byte, record.chunk->metadata.end_byte});
    }
    try {
      results.push_back(embedder.embed_spans(*text, spans, options));
    } catch (const InvalidInputError& error) {
      for (Record& record : records) record.reason = error.what();
    }
  }
  return results;
}

}  // namespace

StreamCounts embed_stream(RecordSource& reader, const Embedder& embedder, EmbedOptions options, Rejections& rejections,
                          VectorSink& sink, Progress& progress, const Signals& signals, bool late_chunking) {
  const auto start = Clock::now();
  StreamCounts counts;
  std::unordered_set<size_t> ids;  // hashes
  std::vector<Record> piece;
  std::vector<std::string_view> texts;
  uint64_t bytes_before = 0;  // of the input, in front of the piece
  size_t most_texts = kFirstTexts;
  const size_t most_bytes = options.outputs.multi ? kMostBytesForMulti : kMostBytes;

  uint64_t tokens_in_piece = 0;
  size_t done_in_piece = 0;
  options.stop = signals.token();
  options.on_result = [&](size_t, const Embedding& embedding) {
    tokens_in_piece += embedding.tokens;
    done_in_piece++;
  };
  options.on_progress = [&](size_t, size_t) {
    const uint64_t bytes =
        bytes_before + (reader.bytes_read() - bytes_before) * done_in_piece / std::max<size_t>(texts.size(), 1);
    progress.update({counts.texts + done_in_piece, counts.tokens + tokens_in_piece, bytes, reader.bytes_total(),
                     seconds_since(start)});
  };

  ReadResult state = ReadResult::record;
  while (state != ReadResult::end && !counts.stopped) {
    bytes_before = reader.bytes_read();
    state = read_piece(reader, most_texts, most_bytes, rejections.fails_at_first(), late_chunking, piece);
    if (state == ReadResult::stopped) counts.stopped = true;
    texts.clear();
    for (const Record& record : piece) {
      if (record.reason.empty()) texts.push_back(record.text);
    }
    tokens_in_piece = done_in_piece = 0;
    const auto piece_start = Clock::now();
    std::vector<EmbedResult> results;
    if (late_chunking) {
      results = embed_documents(piece, embedder, options);
    } else {
      results.push_back(embedder.embed(texts, options));
    }
    const double piece_seconds = seconds_since(piece_start);
    std::vector<const Embedding*> embeddings;  // of the records that are not rejected
    for (const EmbedResult& result : results) {
      for (const Embedding& embedding : result) embeddings.push_back(&embedding);
    }

    size_t index = 0;  // of the next embedding
    for (const Record& record : piece) {
      const Embedding* embedding = record.reason.empty() ? embeddings[index++] : nullptr;
      if (embedding && embedding->error == ErrorCode::cancelled) {
        counts.stopped = true;
        break;
      }
      if (record.has_own_id && ids.size() < kMostIds && !ids.insert(std::hash<std::string>()(record.id)).second) {
        ++counts.repeated_ids;
      }
      if (!embedding || embedding->error) {
        if (rejections.fails_at_first()) sink.flush();  // the run ends here: what was finished must be there
        rejections.add(record, embedding ? embedding->error_message : record.reason, progress);
        sink.reject(record);
      } else {
        sink.accept(record, *embedding);
        ++counts.texts;
        counts.tokens += embedding->tokens;
        counts.truncated += embedding->truncated;
        counts.windowed += embedding->windows > 1;
        counts.replaced_texts += embedding->replaced_utf8 > 0;
        counts.replaced_utf8 += embedding->replaced_utf8;
      }
      counts.next_row = record.row + 1;
    }
    sink.flush();
    if (piece_seconds < kShortSeconds && piece.size() == most_texts) most_texts = std::min(2 * most_texts, kMostTexts);
    if (piece_seconds > kLongSeconds) most_texts = std::max(most_texts / 2, size_t{1});
  }
  counts.seconds = seconds_since(start);
  progress.clear();
  return counts;
}

void report_engine(const ModelInfo& info, bool quiet, Progress& progress) {
  for (const std::string& notice : info.notices) progress.message("note: " + notice);
  if (quiet) return;
  progress.message(fmt::format("{}: {} on {}, {}", info.name, info.dtype, info.isa,
                               plural(static_cast<uint64_t>(info.threads), "thread")));
}

void report_counts(const StreamCounts& counts, const Rejections& rejections, bool quiet, Progress& progress) {
  if (counts.truncated > 0) {
    progress.message(fmt::format("warning: {} of {} truncated to the limit of tokens", format_count(counts.truncated),
                                 plural(counts.texts, "text")));
  }
  if (counts.windowed > 0 && !quiet) {
    progress.message(fmt::format("note: {} of {} computed in windows of the limit of tokens",
                                 format_count(counts.windowed), plural(counts.texts, "text")));
  }
  if (counts.replaced_utf8 > 0) {
    progress.message(fmt::format("warning: {} in {} replaced by U+FFFD",
                                 plural(counts.replaced_utf8, "ill-formed part"),
                                 plural(counts.replaced_texts, "text")));
  }
  if (counts.repeated_ids > 0) {
    progress.message(
        fmt::format("warning: {} with the id of an earlier one; all are kept", plural(counts.repeated_ids, "record")));
  }
  if (rejections.count() > 0)
    progress.message(fmt::format("warning: {} rejected", plural(rejections.count(), "record")));
  if (!quiet) {
    const double seconds = std::max(counts.seconds, 1e-9);
    progress.message(fmt::format("{}, {} in {:.1f} s ({:.1f} texts/s, {} tokens/s)", plural(counts.texts, "text"),
                                 plural(counts.tokens, "token"), counts.seconds,
                                 static_cast<double>(counts.texts) / seconds,
                                 format_count(static_cast<uint64_t>(static_cast<double>(counts.tokens) / seconds))));
  }
}

}  // namespace bgem3::cli
