#include "model/modules.h"

#include "base/error.h"
#include "base/json.h"
#include "model/messages.h"

namespace bgem3 {
namespace {

// "sentence_transformers.models.Pooling" is "Pooling"; classes of other packages keep their whole name and match
// nothing.
std::string_view class_name(std::string_view type) {
  return type.starts_with("sentence_transformers.") ? type.substr(type.rfind('.') + 1) : type;
}

}  // namespace

Modules parse_modules(std::string_view text, std::string_view file) {
  static constexpr std::string_view kSteps[] = {"Transformer", "Pooling", "Normalize"};
  const Json json = Json::parse(text, file);
  const auto& list = json.elements();
  Modules modules;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string& type = list[i].at("type").string();
    const std::string& folder = list[i].at("path").string();
    if (i >= std::size(kSteps) || class_name(type) != kSteps[i]) {
      fail<ModelLoadingError>(ErrorCode::unsupported,
                              "{}: module {} is {}, expected {}; bgem3 runs Transformer, Pooling, Normalize", file, i,
                              quote(type), i < std::size(kSteps) ? kSteps[i] : "no more");
    }
    if (folder.starts_with('/') || folder.find("..") != std::string::npos || folder.find('\0') != std::string::npos) {
      fail<ModelLoadingError>(ErrorCode::corrupt, "{}: module {}: path {} leaves the model's folder", file, i,
                              quote(folder));
    }
    if (i == 0 && !folder.empty() && folder != ".") {
      fail<ModelLoadingError>(ErrorCode::unsupported,
                              "{}: the Transformer is in the folder {}, expected in the model's own folder", file,
                              quote(folder));
    }
    if (i == 1) modules.pooling_folder = folder;
    if (i == 2) modules.normalize = true;
  }
  if (list.size() < 2) {
    fail<ModelLoadingError>(ErrorCode::unsupported,
                            "{}: {} modules, expected Transformer, Pooling and perhaps Normalize", file, list.size());
  }
  return modules;
}

}  // namespace bgem3
