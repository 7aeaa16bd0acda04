#include "stored_outputs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "failure.h"
#include "npz.h"
#include "sink.h"
#include "test_folder.h"

namespace bgem3::cli {
namespace {

constexpr Outputs kAll = {.dense = true, .sparse = true, .multi = true};

struct Text {
  std::vector<float> dense;
  std::vector<uint32_t> ids;
  std::vector<float> weights;
  std::vector<float> multi;

  bool operator==(const Text&) const = default;
};

const std::vector<Text> kTexts = {
    {{1, -0.1f}, {7, 3}, {0.3f, 1e-40f}, {1, 2, 3, 4}},
    {{3e38f, 0.2f}, {}, {}, {5, 6}},
    {{1.0f / 3, 0}, {9}, {0.7f}, {7, 8, 9, 10, 11, 12}},
};

Record record_of(size_t row, const std::string& id) {
  Record record;
  record.row = row;
  record.id = id;
  return record;
}

class StoredOutputsTest : public ::testing::Test, protected TestFolder {
 protected:
  StoredOutputsTest() { model_.config.vocab = 10; }

  // What `embed` writes of kTexts with these ids, the record behind the first rejected.
  std::string write(const std::string& name, Outputs outputs = kAll) const {
    const OutputKind kind = name.ends_with(".npz") ? OutputKind::npz : OutputKind::jsonl;
    const auto sink = make_sink(
        kind, path(name),
        {.outputs = outputs, .dimensions = 2, .precision = Precision::float32, .vocabulary = 10, .chunks = false});
    size_t row = 0;
    for (const Text& text : kTexts) {
      Embedding embedding;
      embedding.dense = text.dense;
      embedding.sparse_ids = text.ids;
      embedding.sparse_weights = text.weights;
      embedding.multi = text.multi;
      sink->accept(record_of(row, ids_[row]), embedding);
      if (++row == 1) sink->reject(record_of(row, ids_[row])), ++row;
    }
    sink->finish();
    return path(name);
  }

  // Reads a file beside the corpus to its end, as `search` does.
  std::vector<Text> read(const std::string& file, Outputs needed = kAll) const {
    const auto stored = open_stored_outputs(file, needed);
    stored->check_model(model_, 2);
    std::vector<Text> texts;
    Embedding found;
    for (size_t row = 0; row < ids_.size(); ++row) {
      reason_ = stored->next(record_of(row, ids_[row]), found);
      if (!reason_.empty()) {
        EXPECT_EQ(row, 1u) << reason_;
        continue;
      }
      texts.push_back({{found.dense.begin(), found.dense.end()},
                       {found.sparse_ids.begin(), found.sparse_ids.end()},
                       {found.sparse_weights.begin(), found.sparse_weights.end()},
                       {found.multi.begin(), found.multi.end()}});
    }
    stored->finish();
    return texts;
  }

  template <typename Error>
  std::string error_of(const std::string& file, Outputs needed = kAll) const {
    return message_of<Error>([&] { read(file, needed); });
  }

  std::vector<std::string> ids_ = {"\"a\\\"b\"", "1", "-2", "\"\u00e9\""};
  ModelInfo model_;
  mutable std::string reason_;
};

TEST_F(StoredOutputsTest, WhatEmbedWroteComesBackBitForBit) {
  for (const char* name : {"all.npz", "all.jsonl"}) EXPECT_EQ(read(write(name)), kTexts) << name;
}

TEST_F(StoredOutputsTest, EveryPrecisionComesBackTheSameFromEveryForm) {
  constexpr Outputs kVectors = {.dense = true, .multi = true};
  const std::vector<float> vectors = {0.6f, -0.8f, 0, 0, 0, 0, 0, 0, 0.5f, 0.1f, 0, 0, -0.7f, 0, -0.5f, 0};
  for (const Precision precision : {Precision::float32, Precision::float16, Precision::int8, Precision::ubinary}) {
    VectorPacker packer(precision, 8);
    const std::vector<float> expected = unpack_vectors(precision, packer.pack(vectors, 0), 8);
    for (const auto& [kind, name] : {std::pair(OutputKind::npz, "a.npz"), std::pair(OutputKind::jsonl, "a.jsonl")}) {
      const bool can_reject = kind == OutputKind::jsonl || precision != Precision::ubinary;
      const auto sink =
          make_sink(kind, path(name),
                    {.outputs = kVectors, .dimensions = 8, .precision = precision, .vocabulary = 10, .chunks = false});
      Embedding embedding;
      embedding.dense = std::span(vectors).first(8);
      embedding.multi = vectors;
      for (size_t row = 0; row < 3; ++row) {
        const bool bad = can_reject && row == 1;
        bad ? sink->reject(record_of(row, ids_[row])) : sink->accept(record_of(row, ids_[row]), embedding);
      }
      sink->finish();

      const auto stored = open_stored_outputs(path(name), kVectors);
      stored->check_model(model_, 8);
      for (size_t row = 0; row < 3; ++row) {
        Embedding found;
        const bool rejected = !stored->next(record_of(row, ids_[row]), found).empty();
        EXPECT_EQ(rejected, can_reject && row == 1) << name << " " << name_of(precision);
        if (rejected) continue;
        EXPECT_TRUE(std::equal(found.dense.begin(), found.dense.end(), expected.begin(), expected.begin() + 8));
        EXPECT_TRUE(std::equal(found.multi.begin(), found.multi.end(), expected.begin(), expected.end()));
      }
      stored->finish();
    }
  }
}

TEST_F(StoredOutputsTest, JsonLinesInFewerBitsThatContradictThemselves) {
  ids_ = {"0", "1"};
  const std::pair<const char*, const char*> cases[] = {
      {R"({"id":1,"precision":"int8","embedding":[1,-127]})", "(no error was thrown)"},
      {R"({"id":1,"embedding":[1,-127],"precision":"int8"})", "(no error was thrown)"},
      {R"({"id":1,"precision":"int8","embedding":[1,-128]})",
       "int8: expected whole numbers from -127 to 127, found -128"},
      {R"({"id":1,"precision":"int8","embedding":[1,0.5]})", "found 0.5"},
      {R"({"id":1,"precision":"int8","embedding":[1,2,3]})", "a vector of 3 dimensions, expected 2"},
      {R"({"id":1,"precision":"ubinary","embedding":[1,2]})", "vectors of 16 dimensions, expected 2"},
      {R"({"id":1,"precision":"uint8","embedding":[1,2]})",
       "expected float32, float16, int8 or ubinary, found \"uint8\""},
      {R"({"id":1,"precision":8,"embedding":[1,2]})", "invalid JSON"},
  };
  for (const auto& [line, problem] : cases) {
    const std::string first = R"({"id":0,"precision":"int8","embedding":[0,3]})";
    const std::string message = error_of<InputError>(make("a.jsonl", first + "\n" + line + "\n"), Outputs());
    EXPECT_NE(message.find(problem), std::string::npos) << line << " -> " << message;
  }
  ids_ = {"0"};
  make("a.jsonl", R"({"id":0,"precision":"ubinary","embedding":[256]})");
  const auto open = [&] { open_stored_outputs(path("a.jsonl"), Outputs()); };
  EXPECT_NE(message_of<InputError>(open).find("expected whole numbers from 0 to 255, found 256"), std::string::npos);
}

TEST_F(StoredOutputsTest, OnlyWhatIsNeededIsReadAndNeedsToBeThere) {
  for (const char* name : {"sparse.npz", "sparse.jsonl"}) {
    const std::string all = write(std::string("all.") + name), some = write(name, {.dense = false, .sparse = true});
    for (const std::string& file : {all, some}) {
      const auto stored = open_stored_outputs(file, {.dense = false, .sparse = true});
      stored->check_model(model_, 2);
      Embedding found;
      EXPECT_EQ(stored->next(record_of(0, ids_[0]), found), "");
      EXPECT_EQ(found.sparse_ids.size(), 2u);
      EXPECT_TRUE(found.dense.empty() && found.multi.empty());
    }
    const std::string message = error_of<UsageError>(some, {.dense = true, .multi = true});
    EXPECT_NE(message.find("has no dense output"), std::string::npos) << message;
    EXPECT_NE(message.find("bgem3 embed --outputs dense,multi"), std::string::npos) << message;
  }
}

TEST_F(StoredOutputsTest, AnotherModel) {
  for (const char* name : {"all.npz", "all.jsonl"}) {
    const auto stored = open_stored_outputs(write(name), kAll);
    EXPECT_NE(message_of<UsageError>([&] { stored->check_model(model_, 3); }).find("2 dimensions"), std::string::npos);
  }
  model_.config.vocab = 9;
  EXPECT_NE(error_of<UsageError>(write("a.npz")).find("10 token ids"), std::string::npos);
  EXPECT_NE(error_of<InputError>(write("a.jsonl")).find("row 3 has token id 9, the model has 9"), std::string::npos);
}

TEST_F(StoredOutputsTest, JsonLinesOfAnotherProgramAreTheSame) {
  make("a.jsonl",
       "\n { \"extra\": [1, {\"id\": 5}], \"sparse\": { \"7\": 0.5 }, \"id\" : \"a\\u0022b\" , \"embedding\":[1 , "
       "2.5e0]}"
       " \r\n{\"id\": -2 ,\"embedding\":[3,4],\"sparse\":{}}\n{\"id\":\"\\u00e9\",\"embedding\":[5,6],\"sparse\":{}}");
  const std::vector<Text> found = read(path("a.jsonl"), {.dense = true, .sparse = true});
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0], (Text{{1, 2.5f}, {7}, {0.5f}, {}}));
  EXPECT_EQ(reason_, "");
}

TEST_F(StoredOutputsTest, ARecordWithoutALineWasRejected) {
  ids_.resize(2);
  make("a.jsonl", "{\"id\":\"a\\\"b\",\"embedding\":[1,2]}\n");
  read(path("a.jsonl"), {});
  EXPECT_EQ(reason_, "no line of " + path("a.jsonl") + " has the id 1 in this place");
}

TEST_F(StoredOutputsTest, JsonLinesThatAreDamagedOrOfAnotherCorpus) {
  const std::string first = R"({"id":"a\"b","embedding":[1,2],"sparse":{"7":1},"multi":[[1,2]]})";
  const std::pair<const char*, const char*> cases[] = {
      {R"({"id":-2,"embedding":[1],"sparse":{},"multi":[[1,2]]})", "line 2: a vector of 1 dimensions, expected 2"},
      {R"({"id":-2,"embedding":[],"sparse":{},"multi":[[1,2]]})", "a vector of 0 dimensions"},
      {R"({"id":-2,"embedding":[1,2],"sparse":{},"multi":[[1,2],[3]]})", "a vector of 1 dimensions"},
      {R"({"id":-2,"embedding":[1,2],"sparse":{},"multi":[]})", "\"multi\" has no vectors"},
      {R"({"id":-2,"embedding":[1,null],"sparse":{},"multi":[[1,2]]})", "expected a number of 32 bits, found null"},
      {R"({"id":-2,"embedding":[1,nan],"sparse":{},"multi":[[1,2]]})", "expected a number of 32 bits, found nan"},
      {R"({"id":-2,"embedding":[1,1e99],"sparse":{},"multi":[[1,2]]})", "found 1e99"},
      {R"({"id":-2,"embedding":[1,"2"],"sparse":{},"multi":[[1,2]]})", "expected a number"},
      {R"({"id":-2,"embedding":[1,[2]],"sparse":{},"multi":[[1,2]]})", "expected a number"},
      {R"({"id":-2,"embedding":{"a":1},"sparse":{},"multi":[[1,2]]})", "invalid JSON"},
      {R"({"id":-2,"embedding":[1,2],"sparse":{"x":1},"multi":[[1,2]]})", "token ids as keys, found \"x\""},
      {R"({"id":-2,"embedding":[1,2],"sparse":{"-1":1},"multi":[[1,2]]})", "token ids as keys"},
      {R"({"id":-2,"embedding":[1,2],"sparse":{"3":1,"3":2},"multi":[[1,2]]})", "row 2 has token id 3 twice"},
      {R"({"id":-2,"embedding":[1,2],"sparse":[],"multi":[[1,2]]})", "invalid JSON"},
      {R"({"id":-2,"embedding":[1,2],"embedding":[1,2]})", "\"embedding\" occurs twice"},
      {R"({"embedding":[1,2],"sparse":{},"multi":[[1,2]]})", "no key \"id\""},
      {R"({"id":-2,"embedding":[1,2],"sparse":{},"mul)", "invalid JSON"},
      {R"({"id":-2,"embedding":[1,2],"sparse":{},"multi":[[1,2]]}{})", "invalid JSON"},
      {R"([1])", "invalid JSON"},
      {R"({"id":"other","embedding":[1,2],"sparse":{},"multi":[[1,2]]})", "no text with the id \"other\""},
  };
  for (const auto& [line, problem] : cases) {
    ids_ = {"\"a\\\"b\"", "1"};  // the second is rejected, and no line follows
    if (std::string(line).find("\"id\":-2") != std::string::npos) ids_.push_back("-2");
    const std::string message = error_of<InputError>(make("a.jsonl", first + "\n" + line + "\n"));
    EXPECT_NE(message.find(problem), std::string::npos) << line << " -> " << message;
  }
  EXPECT_NE(error_of<UsageError>(make("a.jsonl", first + "\n{\"id\":1}\n")).find("no dense output"), std::string::npos);
  EXPECT_NE(error_of<InputError>(path("missing.jsonl")).find("No such file"), std::string::npos);
}

// An .npz whose parts contradict each other.
struct Parts {
  std::vector<float> dense = {1, 2, 3, 4};
  std::vector<int64_t> indptr = {0, 1, 2}, shape = {2, 10}, offsets = {0, 1, 2};
  std::vector<int32_t> ids = {5, 6};
  std::vector<float> weights = {1, 1};
  size_t multi_columns = 2;
};

TEST_F(StoredOutputsTest, PartsOfAnNpzThatDoNotFit) {
  ids_ = {"0", "1"};
  const auto message = [&](const Parts& parts) {
    NpzWriter writer(path("a.npz"));
    writer.add("dense", "<f4", 2).append(parts.dense);
    writer.add("sparse_indptr", "<i8").append(parts.indptr);
    writer.add("sparse_indices", "<i4").append(parts.ids);
    writer.add("sparse_data", "<f4").append(parts.weights);
    writer.add("sparse_shape", "<i8").append(parts.shape);
    writer.add("multi", "<f4", parts.multi_columns).append(std::vector<float>(2 * parts.multi_columns, 1));
    writer.add("multi_offsets", "<i8").append(parts.offsets);
    writer.publish();
    return error_of<InputError>(path("a.npz"));
  };
  const std::pair<Parts, const char*> cases[] = {
      {{}, "(no error was thrown)"},
      {{.dense = {1, 2}}, "sparse_indptr has 2 rows, others have 1"},
      {{.indptr = {}}, "does not begin with 0"},
      {{.indptr = {1, 1, 2}}, "sparse_indptr.npy: it does not begin with 0"},
      {{.indptr = {0, 3, 2}}, "value 1 is 3: expected 0 to 2"},
      {{.indptr = {0, 2, 1}}, "value 2 is 1: expected 2 to 2"},
      {{.indptr = {0, -1, 2}}, "value 1 is -1"},
      {{.indptr = {0, 1, 1}}, "value 2 is 1: expected 2 to 2"},
      {{.indptr = {0, 2}}, "sparse_indptr has 1 rows, others have 2"},
      {{.ids = {5}}, "sparse_indices has 1 values, sparse_data 2"},
      {{.ids = {5, -6}}, "the model has 10"},
      {{.ids = {5, 10}}, "row 1 has token id 10, the model has 10"},
      {{.indptr = {0, 0, 2}, .ids = {5, 5}}, "row 1 has token id 5 twice"},
      {{.shape = {3, 10}}, "sparse_shape has 3 rows, others have 2"},
      {{.shape = {2}}, "sparse_shape is not rows and vocabulary"},
      {{.shape = {2, -1}}, "sparse_shape is not rows and vocabulary"},
      {{.offsets = {0, 1, 3}}, "value 2 is 3"},
      {{.multi_columns = 3}, "multi has 3 dimensions, dense has 2"},
  };
  for (const auto& [parts, problem] : cases) {
    const std::string found = message(parts);
    EXPECT_NE(found.find(problem), std::string::npos) << problem << " -> " << found;
  }
}

TEST_F(StoredOutputsTest, RowsAndTextsMustBeAsMany) {
  const std::string file = write("a.npz");
  ids_.resize(3);
  EXPECT_NE(error_of<InputError>(file).find("has 4 rows, the corpus has 3 texts"), std::string::npos);
  ids_.resize(5);
  EXPECT_NE(error_of<InputError>(file).find("has 4 rows, the corpus has more texts"), std::string::npos);
}

}  // namespace
}  // namespace bgem3::cli
