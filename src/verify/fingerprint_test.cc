#include "verify/fingerprint.h"

#include <gtest/gtest.h>

#include <functional>

#include "embedder/test_embedder.h"

namespace bgem3 {
namespace {

const std::string kHash(64, 'a');

class FingerprintTest : public EmbedderTest {
 protected:
  FingerprintTest() : embedder_(open()) {
    std::vector<std::string> texts;
    for (const FingerprintText& text : fingerprint_texts()) texts.push_back(text.text);
    const EmbedResult result = embedder_.embed(texts, {.outputs = kAll});
    print_ = {.version = "0.1.0",
              .model = "a \"model\"\\\n",
              .revision = "abc",
              .files = {{"config.json", 12, kHash}, {"model.safetensors", 34, kHash}},
              .ids = print_ids(embedder_.tokenizer(), embedder_.info().config.max_tokens),
              .by_dtype = {{"f32", print_outputs(result, kAll)}}};
  }

  std::vector<Check> compare(const Fingerprint& found) const {
    std::vector<Check> all;
    Checks checks(all, "fingerprint", "f32");
    compare_files_and_ids(print_, found, checks);
    compare_outputs(print_.by_dtype.at("f32"), found.by_dtype.at("f32"), checks);
    return all;
  }
  // The one check that fails when the other fingerprint is changed so.
  Check only_failure(const std::function<void(Fingerprint&)>& change) const {
    Fingerprint other = print_;
    change(other);
    std::vector<Check> failed;
    for (const Check& check : compare(other)) {
      if (check.outcome == Outcome::fail) failed.push_back(check);
    }
    EXPECT_EQ(failed.size(), 1u);
    return failed.empty() ? Check{} : failed[0];
  }

  const Embedder embedder_;
  Fingerprint print_;
};

TEST_F(FingerprintTest, ComesBackFromJsonAsItWas) {
  const std::string json = to_json(print_);
  const Fingerprint again = parse_fingerprint(json, "a file");
  EXPECT_EQ(to_json(again), json);
  EXPECT_EQ(again.model, print_.model);
  for (const Check& check : compare(again)) EXPECT_EQ(check.outcome, Outcome::pass) << check.name;
  EXPECT_EQ(again.by_dtype.at("f32")[3].outputs.at("dense").values,
            print_.by_dtype.at("f32")[3].outputs.at("dense").values);
}

TEST_F(FingerprintTest, TextsAreOfManyLengthsUpToTheLimit) {
  EXPECT_EQ(print_.ids.front().tokens, embedder_.tokenizer().template_tokens());
  EXPECT_EQ(print_.ids.back().tokens, embedder_.info().config.max_tokens);
}

TEST_F(FingerprintTest, SaysWhatDiffersAndByHowMuch) {
  Check check = only_failure([](Fingerprint& other) { other.files[1].sha256 = "cc"; });
  EXPECT_EQ(check.name, "model.safetensors");
  EXPECT_EQ(check.expected, kHash + " (34 bytes)");
  EXPECT_EQ(check.found, "cc (34 bytes)");
  check = only_failure([](Fingerprint& other) { other.files.pop_back(); });
  EXPECT_EQ(check.found, "not there");
  check = only_failure([](Fingerprint& other) { other.files.push_back({"modules.json", 2, "dd"}); });
  EXPECT_EQ(check.expected, "not there");
  check = only_failure([](Fingerprint& other) { other.ids[4].sha256 = "ee"; });
  EXPECT_EQ(check.name, "ids of \"english\"");

  check = only_failure([](Fingerprint& other) {
    OutputPrint& dense = other.by_dtype["f32"][4].outputs["dense"];
    dense.values[7] += 0.25f;
    dense.sha256 = "ff";
  });
  EXPECT_EQ(check.name, "dense of \"english\"");
  EXPECT_NEAR(check.difference, 0.25, 1e-6);
  EXPECT_EQ(check.tolerance, 0);
  EXPECT_TRUE(check.is_numeric);
  EXPECT_NE(check.note.find("cosine 0.9"), std::string::npos) << check.note;

  check = only_failure([](Fingerprint& other) {
    OutputPrint& sparse = other.by_dtype["f32"][4].outputs["sparse"];
    sparse.ids.push_back(31);
    sparse.values.push_back(3);
    sparse.sha256 = "ff";
  });
  EXPECT_EQ(check.name, "sparse of \"english\"");
  EXPECT_NEAR(check.difference, 3, 1);

  check = only_failure([](Fingerprint& other) {
    OutputPrint& multi = other.by_dtype["f32"][4].outputs["multi"];
    multi.values[1] += 0.5f;
    multi.sha256 = "ff";
  });
  EXPECT_EQ(check.name, "multi of \"english\"");
  EXPECT_NEAR(check.difference, 0.5, 1e-6);
  check = only_failure([](Fingerprint& other) {
    OutputPrint& multi = other.by_dtype["f32"][4].outputs["multi"];
    multi.values.pop_back();
    multi.sha256 = "ff";
  });
  EXPECT_FALSE(check.is_numeric);
  check = only_failure([](Fingerprint& other) { other.by_dtype["f32"][4].outputs.erase("multi"); });
  EXPECT_EQ(check.name, "multi of \"english\"");
}

TEST_F(FingerprintTest, WhatIsNoFingerprintOfTheseTextsIsRefused) {
  const std::string json = to_json(print_);
  const auto refusal = [](const std::string& text) {
    return message_of<InvalidInputError>([&] { parse_fingerprint(text, "f.json"); });
  };
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = json;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return refusal(text.replace(at, from.size(), to));
  };
  for (const std::string& text :
       {std::string(), std::string("x"), std::string("[]"), std::string("{}"), json.substr(0, json.size() / 2)}) {
    const std::string message = refusal(text);
    EXPECT_EQ(message.substr(0, 6), "f.json") << message;
    EXPECT_NE(message.find("--record"), std::string::npos) << message;
  }
  EXPECT_NE(changed("\"bgem3_fingerprint\": 1", "\"bgem3_fingerprint\": 2").find("format 2"), std::string::npos);
  EXPECT_NE(changed("\"texts\": \"", "\"texts\": \"0").find("other texts"), std::string::npos);
  EXPECT_NE(changed("\"text\": \"english\"", "\"text\": \"englisch\"").find("texts of this version"),
            std::string::npos);
  EXPECT_NE(changed("\"values\": [", "\"values\": [1e99,").find("float32"), std::string::npos);
  EXPECT_NE(changed("\"values\": [", "\"values\": [\"x\",").find("f.json"), std::string::npos);
  EXPECT_NE(changed("\"sha256\"", "\"sha\"").find("sha256"), std::string::npos);
  EXPECT_NE(changed("\"ids\": [", "\"ids\": 7, \"other\": [").find("f.json"), std::string::npos);
  EXPECT_NE(changed("\"sha256\": \"a", "\"sha256\": \"x").find("SHA-256"), std::string::npos);
  EXPECT_NE(changed("\"config.json\"", "\"model.safetensors\"").find("twice"), std::string::npos);
  const size_t outputs = json.find("\"outputs\": {");
  EXPECT_NE(refusal(json.substr(0, outputs) + "\"outputs\": {}}").find("no dtype"), std::string::npos);
}

}  // namespace
}  // namespace bgem3
