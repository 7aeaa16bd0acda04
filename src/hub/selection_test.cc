#include "hub/selection.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/test_files.h"

namespace bgem3 {
namespace {

const std::vector<std::string> kTexts = {"config.json", "tokenizer.json"};

HubRevision revision_with(std::vector<std::string> files) {
  files.insert(files.end(), kTexts.begin(), kTexts.end());
  return {.commit = "0000000000000000000000000000000000000001", .files = std::move(files)};
}

Selection select(const HubRevision& revision, const std::string& text = "{}") {
  return select_files("org/name", revision, [&](const std::string&) { return text; });
}

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

TEST(SelectFiles, TakesTheBestWeightsOnly) {
  const HubRevision all = revision_with({"pytorch_model.bin", "model.safetensors.index.json", "model.safetensors"});
  EXPECT_EQ(select(all).content.back(), "model.safetensors");
  EXPECT_FALSE(holds(select(all).content, "pytorch_model.bin"));
  EXPECT_EQ(select(revision_with({"pytorch_model.bin", "README.md"})).content.back(), "pytorch_model.bin");
  const std::string index =
      R"({"weight_map": {"x": "model-2.safetensors", "y": "model-1.safetensors", "z": "model-1.safetensors"}})";
  const Selection shards = select(revision_with({"pytorch_model.bin", "model.safetensors.index.json",
                                                 "model-1.safetensors", "model-2.safetensors"}),
                                  index);
  EXPECT_EQ(shards.content, (std::vector<std::string>{"tokenizer.json", "model-1.safetensors", "model-2.safetensors"}));
  EXPECT_TRUE(holds(shards.configuration, "model.safetensors.index.json"));
}

TEST(SelectFiles, FollowsModulesAndNotesWhatIsAbsent) {
  const std::string modules = R"([{"path":"","type":"sentence_transformers.models.Transformer"},
                                  {"path":"pool","type":"sentence_transformers.models.Pooling"}])";
  const Selection found =
      select(revision_with({"modules.json", "pool/config.json", "model.safetensors", "sparse_linear.pt"}), modules);
  EXPECT_TRUE(holds(found.configuration, "pool/config.json"));
  EXPECT_TRUE(holds(found.content, "sparse_linear.pt"));
  EXPECT_TRUE(holds(found.absent, "colbert_linear.pt"));
  EXPECT_TRUE(holds(found.absent, "sentence_bert_config.json"));
  EXPECT_TRUE(caught([&] {
                select(revision_with({"modules.json", "model.safetensors"}), modules);
              }).says("pool/config.json"));
}

TEST(SelectFiles, SaysWhatIsMissing) {
  EXPECT_TRUE(caught([&] { select(revision_with({})); }).says("has no weights"));
  EXPECT_EQ(caught([&] { select(revision_with({"pytorch_model.bin.index.json"})); }).code, ErrorCode::unsupported);
  const Caught error = caught([&] { select({.commit = "c", .files = {"model.safetensors", "config.json"}}); });
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_TRUE(error.says("tokenizer.json")) << error.message;
}

TEST(PartOf, EveryKindOfFile) {
  EXPECT_EQ(part_of("model-1.safetensors"), "weights");
  EXPECT_EQ(part_of("model.safetensors.index.json"), "weights");
  EXPECT_EQ(part_of("sparse_linear.pt"), "weights");
  EXPECT_EQ(part_of("tokenizer.json"), "tokenizer");
  EXPECT_EQ(part_of("1_Pooling/config.json"), "config");
}

}  // namespace
}  // namespace bgem3
