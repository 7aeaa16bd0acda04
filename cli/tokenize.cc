// bgem3 tokenize: needs the tokenizer of a model, not its weights.
#include <fmt/format.h>

#include <csignal>

#include "bgem3/embedder.h"
#include "commands.h"
#include "failure.h"
#include "json_writer.h"
#include "line_stream.h"
#include "output.h"
#include "progress.h"

namespace bgem3::cli {

namespace {

void append_line(std::string& line, const Record& record, const Tokenizer& tokenizer, const Encoding& encoding) {
  JsonWriter json(line);
  json.begin_object().key("id").json(record.id);
  json.key("ids").begin_array();
  for (uint32_t id : encoding.ids) json.value(id);
  json.end_array().key("tokens").begin_array();
  for (uint32_t id : encoding.ids) json.value(tokenizer.token(id));
  json.end_array().key("offsets").begin_array();
  for (const ByteRange& range : encoding.offsets) json.begin_array().value(range.begin).value(range.end).end_array();
  json.end_array().key("truncated").value(encoding.truncated);
  if (encoding.replaced_utf8 > 0) json.key("replaced_utf8").value(encoding.replaced_utf8);
  json.end_object();
  line += '\n';
}

}  // namespace

int run_tokenize(const TokenizeArguments& arguments, Signals& signals) {
  const OutputKind kind = check_output(arguments.output, arguments.overwrite, arguments.input.files);
  if (appears_whole(kind)) throw UsageError("tokenize writes JSONL; choose an output that ends in .jsonl");
  Rejections rejections(arguments.on_error, arguments.output, arguments.overwrite, arguments.input.files);
  TextReader reader(arguments.input, signals.fd());

  EncodeOptions options;
  options.special_tokens_in_text = arguments.special_tokens_in_text;
  options.invalid_utf8 = arguments.invalid_utf8;
  options.max_tokens = arguments.max_tokens;
  if (options.max_tokens == 0) options.max_tokens = describe_model({.model = arguments.model}).config.max_tokens;
  const Tokenizer tokenizer = open_tokenizer(arguments.model);
  if (options.max_tokens < tokenizer.template_tokens()) {
    throw UsageError(fmt::format("--max-length: {} cannot hold the {} tokens around every text", options.max_tokens,
                                 tokenizer.template_tokens()));
  }

  signals.hold();
  Progress progress(arguments.quiet, false);
  OutputFile out = kind == OutputKind::standard ? OutputFile::standard() : OutputFile::create(arguments.output);
  size_t truncated = 0, replaced = 0;
  const AppendLine append = [&](std::string& line, const Record& record) {
    const Encoding encoding = tokenizer.encode(record.text, options);
    truncated += encoding.truncated;
    replaced += encoding.replaced_utf8;
    append_line(line, record, tokenizer, encoding);
  };
  const LinesWritten written = write_lines(reader, append, std::move(out), rejections, progress, signals);
  if (truncated > 0) {
    progress.message(fmt::format("warning: {} truncated to {} tokens", plural(truncated, "text"), options.max_tokens));
  }
  if (replaced > 0) {
    progress.message(fmt::format("warning: {} replaced by U+FFFD", plural(replaced, "ill-formed part")));
  }
  if (rejections.count() > 0)
    progress.message(fmt::format("warning: {} rejected", plural(rejections.count(), "record")));
  if (written.interrupted) throw Interrupted(signals.received(), "all complete records are written");
  return rejections.count() > 0 ? kExitRejected : kExitOk;
}

}  // namespace bgem3::cli
