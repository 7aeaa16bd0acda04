#include "model/embedding_table.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "model/test_files.h"

namespace bgem3 {
namespace {

std::string text_of(const auto& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof values[0]};
}

std::vector<float> row(const EmbeddingTable& table, size_t index) {
  std::vector<float> out(table.columns());
  table.read_row(index, out);
  return out;
}

TEST(EmbeddingTable, ReadsRowsOfEachType) {
  const TemporaryFolder folder;
  folder.write("f32", "12345678" + text_of(std::vector<float>{1, 2, 3, 4, 5, 6}));
  const auto f32 = std::make_shared<const OpenFile>(folder.path("f32"));
  EXPECT_EQ(row({f32, 8, DType::f32, 3, 2}, 1), (std::vector<float>{3, 4}));
  folder.write("f16", text_of(std::vector<uint16_t>{0x3C00, 0xC000, 0x0001, 0x7BFF}));
  const auto f16 = std::make_shared<const OpenFile>(folder.path("f16"));
  EXPECT_EQ(row({f16, 0, DType::f16, 2, 2}, 0), (std::vector<float>{1, -2}));
  EXPECT_EQ(row({f16, 0, DType::f16, 2, 2}, 1), (std::vector<float>{0x1p-24f, 65504}));
  EXPECT_EQ(row({f16, 2, DType::bf16, 1, 1}, 0), (std::vector<float>{-2}));
}

TEST(EmbeddingTable, ReadsRowsLongerThanItsBlock) {
  const TemporaryFolder folder;
  std::vector<float> values(2 * 3000);
  for (size_t i = 0; i < values.size(); i++) values[i] = static_cast<float>(i);
  folder.write("f32", text_of(values));
  const EmbeddingTable table(std::make_shared<const OpenFile>(folder.path("f32")), 0, DType::f32, 2, 3000);
  EXPECT_EQ(row(table, 1), std::vector<float>(values.begin() + 3000, values.end()));
}

TEST(EmbeddingTable, FindsAMatrixInItsMappedFile) {
  const TemporaryFolder folder;
  folder.write("f32", "12345678" + text_of(std::vector<float>{1, 2, 3, 4}));
  const MappedFile file(folder.path("f32"));
  const Tensor tensor{.name = "t", .dtype = DType::f32, .shape = {2, 2}, .bytes = file.bytes().subspan(8), .file = ""};
  EXPECT_EQ(row(EmbeddingTable(tensor, file), 1), (std::vector<float>{3, 4}));
}

TEST(EmbeddingTable, ATableThatLeavesTheFileIsRefused) {
  const TemporaryFolder folder;
  folder.write("f32", std::string(64, 'x'));
  const auto file = std::make_shared<const OpenFile>(folder.path("f32"));
  EXPECT_EQ(caught([&] { EmbeddingTable(file, 4, DType::f32, 4, 4); }).code, ErrorCode::corrupt);
  EXPECT_EQ(caught([&] { EmbeddingTable(file, 0, DType::f32, SIZE_MAX / 2, 4); }).code, ErrorCode::corrupt);
}

TEST(EmbeddingTable, AFileReplacedStaysReadableAndOneCutShortIsAnError) {
  const TemporaryFolder folder;
  folder.write("f32", text_of(std::vector<float>{1, 2, 3, 4}));
  const EmbeddingTable table(std::make_shared<const OpenFile>(folder.path("f32")), 0, DType::f32, 2, 2);
  folder.write("new", "short");
  std::filesystem::rename(folder.path("f32"), folder.path("old"));
  std::filesystem::rename(folder.path("new"), folder.path("f32"));
  EXPECT_EQ(row(table, 1), (std::vector<float>{3, 4}));
  std::filesystem::resize_file(folder.path("old"), 10);
  const Caught error = caught([&] { row(table, 1); });
  EXPECT_EQ(error.code, ErrorCode::io);
  EXPECT_TRUE(error.says(folder.path("f32")) && error.says("cut short")) << error.message;
}

}  // namespace
}  // namespace bgem3
