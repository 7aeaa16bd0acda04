#include "model/torch_zip.h"

#include <gtest/gtest.h>

#include <map>

#include "base/file.h"
#include "model/test_files.h"

namespace bgem3 {
namespace {

// Files that torch 2.13 wrote: tools/make_torch_fixtures.py.
std::string fixture(const std::string& name) {
  return read_file(std::string(BGEM3_MODEL_TESTDATA) + "/" + name, 1 << 16);
}

std::vector<float> values(const Tensor& tensor) {
  std::vector<float> out(tensor.elements());
  convert_to_f32(tensor, 0, out);
  return out;
}

Caught parse_error(const std::string& file) {
  return caught([&] { parse_torch_zip(as_bytes(file), "m.bin"); });
}

const std::string kPickle =
    pickle::whole(pickle::dictionary({{"w", pickle::tensor(pickle::storage("FloatStorage", "0", 4), 0, {2, 2}, {2, 1})},
                                      {"v", pickle::tensor(pickle::storage("FloatStorage", "0", 4), 1, {3}, {1})}}));
const std::string kData = floats({1, 2, 3, 4});

std::vector<ZipRecord> good_records() {
  return {{.name = "m/data.pkl", .content = kPickle},
          {.name = "m/byteorder", .content = "little"},
          {.name = "m/data/0", .content = kData}};
}

TEST(TorchZip, ReadsAFileOfTorch) {
  const std::string file = fixture("dictionary.bin");
  std::map<std::string, Tensor> tensors;
  for (const Tensor& tensor : parse_torch_zip(as_bytes(file), "m.bin")) tensors[tensor.name] = tensor;
  ASSERT_EQ(tensors.size(), 8u);
  EXPECT_EQ(tensors["f32"].shape, (std::vector<size_t>{2, 3}));
  EXPECT_EQ(values(tensors["f32"]), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(tensors["f16"].dtype, DType::f16);
  EXPECT_EQ(values(tensors["f16"]), (std::vector<float>{0.5, -2, 65504, 0x1p-24f}));
  EXPECT_EQ(values(tensors["bf16"]), (std::vector<float>{1, -3}));
  EXPECT_EQ(tensors["i64"].dtype, DType::i64);
  EXPECT_EQ(tensors["i64"].elements(), 3u);
  EXPECT_TRUE(tensors["scalar"].shape.empty());
  EXPECT_EQ(values(tensors["scalar"]), (std::vector<float>{3.5}));
  EXPECT_EQ(tensors["empty"].shape, (std::vector<size_t>{0, 3}));
  EXPECT_EQ(tensors["empty"].elements(), 0u);
  EXPECT_EQ(values(tensors["shared_head"]), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_EQ(values(tensors["shared_tail"]), (std::vector<float>{4, 5, 6, 7, 8, 9}));
}

TEST(TorchZip, ReadsStateDictionariesAndParametersOfTorch) {
  const std::string linear = fixture("linear.bin");
  const auto tensors = parse_torch_zip(as_bytes(linear), "m.bin");
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].name, "weight");
  EXPECT_EQ(tensors[0].shape, (std::vector<size_t>{2, 3}));
  EXPECT_EQ(tensors[1].shape, (std::vector<size_t>{2}));
  const std::string parameter = fixture("parameter.bin");
  const auto parameters = parse_torch_zip(as_bytes(parameter), "m.bin");
  ASSERT_EQ(parameters.size(), 1u);
  EXPECT_EQ(values(parameters[0]), (std::vector<float>{1, 2}));
}

TEST(TorchZip, RefusesWhatItDoesNotReadByName) {
  const Caught transposed = parse_error(fixture("transposed.bin"));
  EXPECT_EQ(transposed.code, ErrorCode::unsupported);
  EXPECT_TRUE(transposed.says("\"weight\" of shape [3, 2] is not contiguous")) << transposed.message;
  const Caught legacy = parse_error(fixture("legacy.bin"));
  EXPECT_EQ(legacy.code, ErrorCode::unsupported);
  EXPECT_TRUE(legacy.says("before 1.6")) << legacy.message;
  const Caught checkpoint = parse_error(fixture("checkpoint.bin"));
  EXPECT_EQ(checkpoint.code, ErrorCode::unsupported);
  EXPECT_TRUE(checkpoint.says("entry \"epoch\" is a number")) << checkpoint.message;
}

TEST(TorchZip, RefusesEveryTruncation) {
  for (const std::string& whole : {fixture("dictionary.bin"), zip(good_records())}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      const Caught error = parse_error(whole.substr(0, size));
      ASSERT_TRUE(error.thrown) << size;
      ASSERT_TRUE(error.message.starts_with("m.bin: ")) << error.message;
    }
  }
}

// Any single changed byte gives an error or tensors inside the file, never a crash (the sanitizers watch).
TEST(TorchZip, SurvivesEveryChangedByte) {
  const std::string whole = fixture("dictionary.bin");
  size_t refused = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const char change : {'\x01', '\x80', '\xff'}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ change);
      refused += parse_error(changed).thrown;
    }
  }
  EXPECT_GT(refused, whole.size());
}

TEST(TorchZip, ReadsAHandWrittenFile) {
  const std::string file = zip(good_records());
  const auto tensors = parse_torch_zip(as_bytes(file), "m.bin");
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(values(tensors[0]), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(values(tensors[1]), (std::vector<float>{2, 3, 4}));
}

TEST(TorchZip, ReadsSizesInZip64Fields) {
  auto records = good_records();
  ZipRecord& data = records[2];
  const auto size = static_cast<uint32_t>(data.content.size());
  data.size_lie = data.stored_size_lie = 0xFFFFFFFFu - size;
  data.directory_extra = little(uint16_t{0x7777}) + little(uint16_t{2}) + "zz" + little(uint16_t{1}) +
                         little(uint16_t{16}) + little(uint64_t{size}) + little(uint64_t{size});
  EXPECT_FALSE(parse_error(zip(records)).thrown) << parse_error(zip(records)).message;
  data.directory_extra = little(uint16_t{1}) + little(uint16_t{8}) + little(uint64_t{size});
  EXPECT_TRUE(parse_error(zip(records)).says("zip64 field is too short"));
  data.directory_extra.clear();
  EXPECT_TRUE(parse_error(zip(records)).says("zip64 field is missing"));
  data.directory_extra = little(uint16_t{1}) + little(uint16_t{16}) + little(UINT64_MAX) + little(UINT64_MAX);
  EXPECT_TRUE(parse_error(zip(records)).says("differs from the directory"));
}

TEST(TorchZip, EveryLieOfTheArchive) {
  const auto lie = [](const std::function<void(std::vector<ZipRecord>&)>& change) {
    auto records = good_records();
    change(records);
    return parse_error(zip(records));
  };
  struct Case {
    Caught error;
    ErrorCode code;
    const char* says;
  };
  const ErrorCode corrupt = ErrorCode::corrupt;
  const Case cases[] = {
      {lie([](auto& r) { r[2].method = 8; }), ErrorCode::unsupported, "\"m/data/0\" is compressed with method 8"},
      {lie([](auto& r) { r[2].flags = 1; }), ErrorCode::unsupported, "is encrypted"},
      {lie([](auto& r) { r[2].size_lie = 4; }), corrupt, "20 bytes stored as 16"},
      {lie([](auto& r) { r[2].size_lie = r[2].stored_size_lie = 4; }), corrupt, "differs from the directory"},
      {lie([](auto& r) { r[2].header_lie = 1; }), corrupt, "no local header at byte"},
      {lie([](auto& r) { r[2].header_lie = 0xFFFFFF00; }), corrupt, "no local header at byte"},
      {lie([](auto& r) { r[2].local_name = "m/data/1"; }), corrupt, "differs from the directory"},
      {lie([](auto& r) { r[0].crc_lie = 1; }), corrupt, "record \"data.pkl\": checksum"},
      {lie([](auto& r) { r[1].crc_lie = 1; }), corrupt, "record \"byteorder\": checksum"},
      {lie([](auto& r) { r[1].content = "big"; }), ErrorCode::unsupported, "byte order \"big\""},
      {lie([](auto& r) { r.push_back(r[2]); }), corrupt, "is there twice"},
      {lie([](auto& r) { r.push_back({.name = "n/data.pkl", .content = kPickle}); }), corrupt,
       "two records end in /data.pkl"},
      {lie([](auto& r) { r.erase(r.begin()); }), corrupt, "no record data.pkl"},
      {lie([](auto& r) { r.pop_back(); }), corrupt, "tensor \"w\": no record \"data/0\""},
      {lie([](auto& r) { r[2].content += "x"; }), corrupt, "4 F32 elements is in a record of 17 bytes"},
      {lie([](auto& r) { r[2].content.resize(12); }), corrupt, "4 F32 elements is in a record of 12 bytes"},
      {parse_error(zip(good_records(), 1)), corrupt, "expected an entry of the directory"},
      {parse_error(zip(good_records(), static_cast<uint16_t>(-1))), corrupt, "the directory at byte"},
      {parse_error(zip(good_records(), 0, 4)), corrupt, "does not end at byte"},
      {parse_error(zip(good_records()) + "x"), corrupt, "the file was cut short"},
      {parse_error("<html>not found</html>"), corrupt, "web page"},
      {parse_error(""), corrupt, "expected a zip archive"},
      {parse_error("PK\x03\x04"), corrupt, "no end of a zip archive"},
      {parse_error(zip({})), corrupt, "expected a zip archive"},
  };
  for (const Case& c : cases) {
    EXPECT_TRUE(c.error.thrown) << c.says;
    EXPECT_EQ(c.error.code, c.code) << c.says;
    EXPECT_TRUE(c.error.says(c.says)) << c.error.message << " | " << c.says;
    EXPECT_TRUE(c.error.says("m.bin: ")) << c.error.message;
  }
}

TEST(TorchZip, RefusesOverlappingRecords) {
  // The second entry's local header lies inside the first record's content.
  const std::string inner = zip({{.name = "m/data/1", .content = "abcd"}});
  const std::string local = inner.substr(0, 30 + 8 + 4);
  auto records = good_records();
  records[2].content = local;
  records.push_back({.name = "m/data/1", .content = "abcd"});
  const std::string plain = zip(records);
  const size_t inside = plain.find(local);
  const size_t real = plain.find(local, inside + 1);
  ASSERT_NE(real, std::string::npos);
  records[3].header_lie = static_cast<uint32_t>(inside - real);
  const Caught error = parse_error(zip(records));
  EXPECT_TRUE(error.says("overlap")) << error.message;
}

}  // namespace
}  // namespace bgem3
