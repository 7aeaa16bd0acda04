#include "model/safetensors.h"

#include <gtest/gtest.h>

#include "model/test_files.h"

namespace bgem3 {
namespace {

std::string entry(std::string_view name, std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return "\"" + std::string(name) + "\":{\"dtype\":\"" + std::string(dtype) + "\",\"shape\":" + std::string(shape) +
         ",\"data_offsets\":" + std::string(offsets) + "}";
}

const std::string kGood =
    safetensors("{\"__metadata__\":{\"format\":\"pt\"}," + entry("b", "F16", "[2]", "[12,16]") + "," +
                    entry("a", "F32", "[3,1]", "[0,12]") + "," + entry("none", "F32", "[0,7]", "[16,16]") + "," +
                    entry("one", "I64", "[]", "[16,24]") + "}   ",
                floats({1, 2, 3}) + "abcd" + little(int64_t{7}));

Caught parse_error(const std::string& file) {
  return caught([&] { parse_safetensors(as_bytes(file), "m.safetensors"); });
}

TEST(Safetensors, AnswersTensorsInTheOrderOfTheirData) {
  const auto tensors = parse_safetensors(as_bytes(kGood), "m.safetensors");
  ASSERT_EQ(tensors.size(), 4u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(tensors[0].shape, (std::vector<size_t>{3, 1}));
  EXPECT_EQ(tensors[0].bytes.size(), 12u);
  EXPECT_EQ(tensors[1].name, "b");
  EXPECT_EQ(tensors[1].dtype, DType::f16);
  EXPECT_EQ(static_cast<char>(tensors[1].bytes[0]), 'a');
  EXPECT_EQ(tensors[2].elements(), 0u);
  EXPECT_EQ(tensors[3].elements(), 1u);
  EXPECT_EQ(tensors[3].file, "m.safetensors");
}

TEST(Safetensors, AcceptsAFileWithoutTensors) {
  EXPECT_TRUE(parse_safetensors(as_bytes(safetensors("{}", "")), "m").empty());
}

TEST(Safetensors, RefusesEveryTruncation) {
  for (size_t size = 0; size < kGood.size(); ++size) {
    const std::string cut = kGood.substr(0, size);
    const Caught error = parse_error(cut);
    ASSERT_TRUE(error.thrown) << size;
    ASSERT_EQ(error.code, ErrorCode::corrupt) << size;
    ASSERT_TRUE(error.message.starts_with("m.safetensors: ")) << error.message;
  }
}

struct Lie {
  const char* name;
  std::string file;
  ErrorCode code;
  const char* says;
};

class SafetensorsLies : public testing::TestWithParam<Lie> {};

TEST_P(SafetensorsLies, IsAnErrorOfItsOwn) {
  const Caught error = parse_error(GetParam().file);
  EXPECT_TRUE(error.thrown);
  EXPECT_EQ(error.code, GetParam().code);
  EXPECT_TRUE(error.says(GetParam().says)) << error.message;
  EXPECT_TRUE(error.says("m.safetensors: ")) << error.message;
}

std::string one(std::string_view dtype, std::string_view shape, std::string_view offsets, size_t data_bytes) {
  return safetensors("{" + entry("t", dtype, shape, offsets) + "}", std::string(data_bytes, '\0'));
}

std::string two(std::string_view first, std::string_view second, size_t data_bytes) {
  return safetensors("{" + entry("a", "U8", "[4]", first) + "," + entry("b", "U8", "[4]", second) + "}",
                     std::string(data_bytes, '\0'));
}

const ErrorCode kCorrupt = ErrorCode::corrupt;

INSTANTIATE_TEST_SUITE_P(
    Each, SafetensorsLies,
    testing::Values(
        Lie{"empty", "", kCorrupt, "a file of 0 bytes"},
        Lie{"header_huge", little(UINT64_MAX) + "{}", kCorrupt,
            "header length 18446744073709551615, expected at most 4194304"},
        Lie{"header_past_end", little(uint64_t{3}) + "{}", kCorrupt, "runs past the end"},
        Lie{"header_empty", safetensors("", ""), kCorrupt, "expected a header that starts with '{'"},
        Lie{"header_space_first", safetensors(" {}", ""), kCorrupt, "starts with '{'"},
        Lie{"header_array", safetensors("[]", ""), kCorrupt, "starts with '{'"},
        Lie{"header_not_json", safetensors("{\"a\"", ""), kCorrupt, "not valid JSON"},
        Lie{"header_not_utf8", safetensors("{\"\xff\":{}}", ""), kCorrupt, "not valid JSON"},
        Lie{"header_trailing", safetensors("{}x", ""), kCorrupt, "not valid JSON"},
        Lie{"web_page", "<!DOCTYPE html><html><body>404</body></html>", kCorrupt, "web page"},
        Lie{"lfs_pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n", kCorrupt, "Git LFS"},
        Lie{"metadata_not_text", safetensors("{\"__metadata__\":{\"a\":1}}", ""), kCorrupt, "expected a string"},
        Lie{"metadata_not_object", safetensors("{\"__metadata__\":[]}", ""), kCorrupt, "expected an object"},
        Lie{"tensor_not_object", safetensors("{\"t\":1}", ""), kCorrupt, "expected an object"},
        Lie{"tensor_without_shape", safetensors("{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,0]}}", ""), kCorrupt,
            "\"shape\" is missing"},
        Lie{"tensor_unknown_key",
            safetensors("{\"t\":{\"dtype\":\"F32\",\"shape\":[],\"x\":0,\"data_offsets\":[0,4]}}", "abcd"), kCorrupt,
            "unknown key \"x\""},
        Lie{"duplicate_tensor",
            safetensors("{" + entry("t", "U8", "[1]", "[0,1]") + "," + entry("t", "U8", "[1]", "[1,2]") + "}", "ab"),
            kCorrupt, "appears twice"},
        Lie{"duplicate_key",
            safetensors("{\"t\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", "a"),
            kCorrupt, "appears twice"},
        Lie{"dtype_unknown", one("F33", "[1]", "[0,4]", 4), ErrorCode::unsupported, "unknown element type \"F33\""},
        Lie{"dtype_number", safetensors("{\"t\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,4]}}", "abcd"), kCorrupt,
            "expected a string"},
        Lie{"shape_negative", one("F32", "[-1]", "[0,4]", 4), kCorrupt, "whole number"},
        Lie{"shape_fraction", one("F32", "[1.5]", "[0,4]", 4), kCorrupt, "whole number"},
        Lie{"shape_overflow", one("F32", "[4294967296,4294967296,16]", "[0,4]", 4), kCorrupt, "overflows"},
        Lie{"shape_bits_overflow", one("F64", "[1152921504606846976]", "[0,0]", 0), kCorrupt, "overflows"},
        Lie{"shape_too_large_number", one("F32", "[99999999999999999999]", "[0,4]", 4), kCorrupt, "whole number"},
        Lie{"not_whole_bytes", one("F4", "[3]", "[0,1]", 1), kCorrupt, "12 bits, expected whole bytes"},
        Lie{"size_differs", one("F32", "[2]", "[0,4]", 4), kCorrupt, "needs 8 bytes, its data_offsets 0 to 4 hold 4"},
        Lie{"offsets_one", one("F32", "[1]", "[0]", 4), kCorrupt, "1 data_offsets, expected 2"},
        Lie{"offsets_reversed", one("F32", "[1]", "[4,0]", 4), kCorrupt, "end at 0 before they begin at 4"},
        Lie{"offsets_past_end", one("F32", "[2]", "[0,8]", 4), kCorrupt, "the file has 4 bytes of data"},
        Lie{"offsets_huge", one("U8", "[1]", "[18446744073709551614,18446744073709551615]", 1), kCorrupt,
            "belong to no tensor"},
        Lie{"overlap", two("[0,4]", "[2,6]", 6), kCorrupt, "overlap"},
        Lie{"same_range", two("[0,4]", "[0,4]", 4), kCorrupt, "overlap"},
        Lie{"hole", two("[0,4]", "[5,9]", 9), kCorrupt, "belong to no tensor"},
        Lie{"hole_at_start", two("[1,5]", "[5,9]", 9), kCorrupt, "expected 0"},
        Lie{"trailing", two("[0,4]", "[4,8]", 9), kCorrupt, "1 bytes after the last tensor"}),
    [](const auto& test_info) { return test_info.param.name; });

TEST(Safetensors, RefusesDeepJson) {
  EXPECT_TRUE(parse_error(safetensors("{\"a\":" + std::string(5000, '[') + std::string(5000, ']') + "}", ""))
                  .says("not valid JSON"));
}

TEST(SafetensorsIndex, AnswersShards) {
  const auto shards = parse_safetensors_index(
      R"({"metadata":{"total_size":8},"weight_map":{"a":"x.safetensors","b":"y.safetensors"}})", "i");
  EXPECT_EQ(shards.at("a"), "x.safetensors");
  EXPECT_EQ(shards.size(), 2u);
}

TEST(SafetensorsIndex, RefusesNamesThatAreNotBare) {
  for (const char* name : {"../x", "a/b", "/etc/passwd", "..", ".", "", "a\\\\b", "a\\u0000b"}) {
    const Caught error =
        caught([&] { parse_safetensors_index("{\"weight_map\":{\"a\":\"" + std::string(name) + "\"}}", "i.json"); });
    EXPECT_EQ(error.code, ErrorCode::corrupt) << name;
    EXPECT_TRUE(error.says("is not a bare file name")) << error.message;
  }
  EXPECT_TRUE(caught([] { parse_safetensors_index("{\"weight_map\":{}}", "i.json"); }).says("names no tensor"));
  EXPECT_TRUE(caught([] { parse_safetensors_index("{}", "i.json"); }).says("\"weight_map\" is missing"));
}

}  // namespace
}  // namespace bgem3
