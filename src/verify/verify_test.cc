#include "bgem3/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>

#include "bgem3/cache.h"
#include "embedder/test_embedder.h"
#include "verify/tokenizer_cases.h"

namespace bgem3 {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class VerifyTest : public testing::Test {
 protected:
  VerifyReport verify(VerifyOptions options = {}) {
    options.open.model = model_.folder();
    options.open.cache_dir = model_.folder() + "/cache";
    return verify_model(options);
  }
  // Hands the bytes of a tensor's data, in the file as it is, to `change`.
  void change_tensor(const std::string& tensor, const std::function<void(char* data)>& change) {
    std::string file = read(model_.folder() + "/model.safetensors");
    const size_t entry = file.find("\"" + tensor + "\""), at = file.find("data_offsets\": [", entry);
    const size_t begin = std::stoul(file.substr(at + 16));
    uint64_t header = 0;
    std::memcpy(&header, file.data(), sizeof header);
    change(file.data() + 8 + header + begin);
    model_.write("model.safetensors", file);
  }
  void set_value(const std::string& tensor, size_t index, float value) {
    change_tensor(tensor, [&](char* data) { std::memcpy(data + index * sizeof value, &value, sizeof value); });
  }
  static const Check* find(const VerifyReport& report, const std::string& group, const std::string& name,
                           const std::string& dtype = "") {
    const auto found = std::find_if(report.checks.begin(), report.checks.end(), [&](const Check& check) {
      return check.group == group && check.name == name && check.dtype == dtype;
    });
    return found == report.checks.end() ? nullptr : &*found;
  }
  static std::vector<std::string> failures(const VerifyReport& report) {
    std::vector<std::string> names;
    for (const Check& check : report.checks) {
      if (check.outcome == Outcome::fail) names.push_back(check.group + ": " + check.name);
    }
    return names;
  }

  TestModel model_;
};

TEST_F(VerifyTest, ASoundModelPassesAndSaysWhatWasNotCompared) {
  const VerifyReport report = verify({.dtypes = {"f32", "bf16", "int8", "float32"}});
  EXPECT_TRUE(report.passed()) << testing::PrintToString(failures(report));
  EXPECT_FALSE(report.published);
  EXPECT_EQ(report.fingerprint, "");
  EXPECT_EQ(find(report, "files", "config.json")->outcome, Outcome::skipped);
  EXPECT_EQ(find(report, "structure", "tensors")->found, "41");  // 5, 16 in each of 2 layers, 2 heads
  EXPECT_EQ(find(report, "structure", "finite values")->outcome, Outcome::pass);
  EXPECT_EQ(find(report, "tokenizer", "ids")->outcome, Outcome::skipped);
  for (const char* dtype : {"f32", "bf16", "int8"}) {
    EXPECT_EQ(find(report, "values", "outputs", dtype)->outcome, Outcome::pass);
    EXPECT_EQ(find(report, "values", "length of the dense vectors", dtype)->outcome, Outcome::pass);
    EXPECT_EQ(find(report, "values", "a text alone and among others", dtype)->outcome, Outcome::pass);
    EXPECT_EQ(find(report, "values", "published values", dtype)->outcome, Outcome::skipped);
  }
}

TEST_F(VerifyTest, ValuesThatAreNotFiniteAreNamedAndTheRestIsChecked) {
  set_value("encoder.layer.1.output.dense.weight", 5, kNan);
  set_value("encoder.layer.1.output.dense.weight", 900, -kInfinity);
  set_value("embeddings.LayerNorm.bias", 3, -kInfinity);
  const VerifyReport report = verify();
  const Check* check = find(report, "structure", "tensor \"encoder.layer.1.output.dense.weight\"");
  ASSERT_TRUE(check);
  EXPECT_EQ(check->outcome, Outcome::fail);
  EXPECT_EQ(check->found, "element 5 is nan");
  EXPECT_EQ(check->note.substr(0, 10), "2 of its 1");
  EXPECT_EQ(find(report, "structure", "tensor \"embeddings.LayerNorm.bias\"")->found, "element 3 is -inf");
  EXPECT_EQ(find(report, "structure", "finite values"), nullptr);
  EXPECT_EQ(find(report, "tokenizer", "tokenizer.json")->outcome, Outcome::pass);
  EXPECT_EQ(find(report, "values", "outputs", "f32")->outcome, Outcome::fail);
}

TEST_F(VerifyTest, ADamagedFileDoesNotKeepTheOthersFromBeingChecked) {
  model_.write("tokenizer.json", "{");
  VerifyReport report = verify();
  EXPECT_EQ(find(report, "tokenizer", "tokenizer.json")->outcome, Outcome::fail);
  EXPECT_EQ(find(report, "structure", "finite values")->outcome, Outcome::pass);
  model_.write("config.json", "{}");
  report = verify();
  EXPECT_EQ(find(report, "structure", "config.json")->outcome, Outcome::fail);
  EXPECT_EQ(find(report, "structure", "tensors")->outcome, Outcome::skipped);
  EXPECT_EQ(find(report, "tokenizer", "tokenizer.json")->outcome, Outcome::fail);
  std::filesystem::remove(model_.folder() + "/config.json");
  report = verify();
  EXPECT_EQ(failures(report), std::vector<std::string>{"files: model"});
  EXPECT_NE(report.checks[0].note.find("config.json"), std::string::npos) << report.checks[0].note;
}

TEST_F(VerifyTest, TheFingerprintIsTheSameOnEveryInstructionSetAndThreadCount) {
  const VerifyReport recorded = verify({.dtypes = {"f32", "bf16", "int8"}, .record = true});
  ASSERT_NE(recorded.fingerprint, "");
  const ModelInfo info = describe_model({.model = model_.folder(), .packed_cache = false});
  for (const std::string& isa : info.isas_present) {
    VerifyOptions options = {.open = {.isa = isa, .threads = 1}, .against = recorded.fingerprint};
    const VerifyReport report = verify(options);
    EXPECT_TRUE(report.passed()) << isa << testing::PrintToString(failures(report));
    for (const char* dtype : {"f32", "bf16", "int8"}) {
      for (const char* output : {"dense", "sparse", "multi"}) {
        EXPECT_TRUE(find(report, "fingerprint", std::string(output) + " of \"long\"", dtype)) << dtype << output;
      }
    }
    VerifyOptions again = {.open = {.isa = isa}, .dtypes = {"f32", "bf16", "int8"}, .record = true};
    EXPECT_EQ(verify(again).fingerprint, recorded.fingerprint) << isa;
  }
}

TEST_F(VerifyTest, OneFlippedBitOfAWeightShowsAgainstTheFingerprint) {
  const VerifyReport recorded = verify({.record = true});
  change_tensor("encoder.layer.0.output.dense.bias", [](char* data) { data[1] = static_cast<char>(data[1] ^ 0x20); });
  const VerifyReport report = verify({.against = recorded.fingerprint});
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(find(report, "fingerprint", "model.safetensors")->outcome, Outcome::fail);
  EXPECT_EQ(find(report, "fingerprint", "config.json")->outcome, Outcome::pass);
  EXPECT_EQ(find(report, "fingerprint", "ids of \"english\"")->outcome, Outcome::pass);
  const Check* dense = find(report, "fingerprint", "dense of \"english\"", "f32");
  EXPECT_EQ(dense->outcome, Outcome::fail);
  EXPECT_GT(dense->difference, 0);
  EXPECT_LT(dense->difference, 1e-3);
  EXPECT_EQ(find(report, "structure", "finite values")->outcome, Outcome::pass);
}

TEST_F(VerifyTest, AFingerprintIsRecordedOfASoundModelOnly) {
  set_value("embeddings.LayerNorm.bias", 0, kNan);
  const VerifyReport report = verify({.record = true});
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.fingerprint, "");
}

TEST_F(VerifyTest, DamagedPackedWeightsAreFoundAndReplaced) {
  EXPECT_TRUE(verify().passed());
  const CacheListing listing = list_cache({.cache_dir = model_.folder() + "/cache"});
  const auto packed = std::find_if(listing.entries.begin(), listing.entries.end(),
                                   [](const CacheEntry& entry) { return entry.content == "packed weights"; });
  ASSERT_NE(packed, listing.entries.end());
  EXPECT_EQ(find(verify(), "files", "packed weights", "f32")->outcome, Outcome::pass);
  std::string content = read(packed->path);
  content[content.size() / 2] ^= 1;
  std::filesystem::remove(packed->path);
  std::ofstream(packed->path, std::ios::binary) << content;
  const VerifyReport report = verify();
  EXPECT_EQ(failures(report), std::vector<std::string>{"files: packed weights"});
  EXPECT_TRUE(verify().passed());
}

TEST_F(VerifyTest, AModelThatIsSaidToBePublishedIsComparedWithWhatIsPublished) {
  const VerifyReport report = verify({.published = true});
  EXPECT_TRUE(report.published);
  EXPECT_EQ(find(report, "files", "config.json")->outcome, Outcome::fail);
  EXPECT_EQ(find(report, "files", "config.json")->expected,
            "26159e7ad065073448460117eb24b7a4572f6f4e78eadff65dc0a11c052449fa");
  EXPECT_EQ(find(report, "tokenizer", "tokens")->outcome, Outcome::fail);
  EXPECT_EQ(find(report, "tokenizer", "ids of \"What is BGE M3?\"")->outcome, Outcome::fail);
  EXPECT_EQ(find(report, "structure", "finite values")->outcome, Outcome::pass);
  const Check* component =
      find(report, "values", "dense component 0 of \"When was artificial intelligence founded\"", "f32");
  ASSERT_TRUE(component);
  EXPECT_EQ(component->outcome, Outcome::fail);
  EXPECT_EQ(component->expected, "-0.02024024");
  EXPECT_EQ(component->note, "Milvus");
}

TEST_F(VerifyTest, WrongOptionsAreRefused) {
  EXPECT_THROW(verify({.dtypes = {"f64"}}), InvalidInputError);
  EXPECT_THROW(verify({.open = {.isa = "sse"}}), InvalidInputError);
  EXPECT_THROW(verify({.against = "{}"}), InvalidInputError);
  const VerifyReport recorded = verify({.record = true});
  const std::string message = message_of<InvalidInputError>(
      [&] { verify({.dtypes = {"int8"}, .against = recorded.fingerprint, .against_name = "f.json"}); });
  EXPECT_NE(message.find("f.json: has no outputs in int8"), std::string::npos) << message;
  EXPECT_THROW(verify_model({.open = {.model = "?"}}), InvalidInputError);
}

// Of model.md's facts: the questions, white space, special tokens that a text normalises to.
TEST(TokenizerCases, HaveTheIdsThatOthersPublished) {
  const auto ids = [](std::string_view text) {
    for (const TokenizerCase& one : tokenizer_cases()) {
      if (one.text == text) return one.ids;
    }
    return std::vector<uint32_t>{};
  };
  EXPECT_EQ(ids("What is BGE M3?"), (std::vector<uint32_t>{0, 4865, 83, 335, 11679, 276, 363, 32, 2}));
  EXPECT_EQ(ids("Hello\n"), (std::vector<uint32_t>{0, 35378, 6, 2}));
  EXPECT_EQ(ids("\uff1cs\uff1e \uff1cmask\uff1e"), (std::vector<uint32_t>{0, 6, 0, 6, 250001, 2}));
  EXPECT_EQ(ids("这是一个文本向量化的测试句子"),
            (std::vector<uint32_t>{0, 6, 100013, 189061, 2110, 3272, 41904, 49125, 27683, 1344, 2}));
  EXPECT_EQ(ids(std::string_view("a\0b", 3)), (std::vector<uint32_t>{0, 10, 3, 275, 2}));
  EXPECT_GE(tokenizer_cases().size(), 50u);
}

}  // namespace
}  // namespace bgem3
