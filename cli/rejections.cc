#include "rejections.h"

#include <fmt/format.h>
#include <unistd.h>

#include "failure.h"
#include "json_writer.h"

namespace bgem3::cli {

std::string rejected_path(const std::string& output) {
  const size_t dot = output.rfind('.');
  return output.substr(0, dot) + ".rejected.jsonl";
}

Rejections::Rejections(OnError on_error, const std::string& output, bool overwrite,
                       const std::vector<std::string>& inputs)
    : on_error_(on_error) {
  if (on_error == OnError::fail || output.empty() || output == "-") return;
  path_ = rejected_path(output);
  check_output(path_, overwrite, inputs);
}

void Rejections::add(const Record& record, const std::string& reason, Progress& progress) {
  const std::string where = fmt::format("{}:{}: {}", record.file, record.line, reason);
  if (on_error_ == OnError::fail) throw InputError(where);
  ++count_;
  if (path_.empty()) {
    progress.message("rejected: " + where);
    return;
  }
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("file").value(record.file).key("line").value(record.line).key("row").value(record.row);
  if (record.has_own_id) json.key("id").json(record.id);
  json.key("reason").value(reason).end_object();
  if (!file_) file_.emplace(OutputFile::create(path_));
  file_->write(out + "\n");
}

void Rejections::finish() {
  if (file_) {
    file_->finish();
  } else if (!path_.empty()) {
    unlink(path_.c_str());  // of an earlier run; the constructor checked that it may go
  }
}

void Rejections::discard() {
  if (file_) unlink(path_.c_str());
}

}  // namespace bgem3::cli
