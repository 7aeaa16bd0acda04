#include "chunk_source.h"

#include <gtest/gtest.h>

#include "test_folder.h"

namespace bgem3::cli {
namespace {

class ChunkSourceTest : public ::testing::Test, protected TestFolder {
 protected:
  // Chunks of at most 8 characters.
  std::vector<Record> read(std::vector<std::string> files) {
    ChunkingConfig config;
    config.unit = "characters";
    config.min_chunk_size = 0;
    config.target_chunk_size = config.max_chunk_size = 8;
    const TextChunker chunker(config, nullptr);
    TextReader reader({.files = std::move(files), .plain = InputFormat::document});
    ChunkSource source(reader, chunker);
    std::vector<Record> records;
    Record record;
    while (source.next(record) == ReadResult::record) records.push_back(record);
    documents_ = source.documents();
    empty_ = source.empty_documents();
    return records;
  }

  size_t documents_ = 0, empty_ = 0;
};

TEST_F(ChunkSourceTest, RowsCountChunksAndIdsAreTheirs) {
  const auto records =
      read({make("a.md", "First.\n\nSecond."), make("b.jsonl", "{\"text\":\"Third.\",\"id\":\"x\"}\n")});
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1].text, "Second.");
  EXPECT_EQ(records[1].row, 1u);
  EXPECT_EQ(records[1].chunk->document, "\"" + path("a.md") + "\"");
  EXPECT_EQ(records[1].chunk->metadata.index, 1u);
  EXPECT_EQ(records[1].chunk->metadata.start_byte, 8u);
  EXPECT_EQ(records[1].id, "\"" + records[1].chunk->metadata.chunk_id + "\"");
  EXPECT_EQ(records[2].chunk->document, "\"x\"");
  EXPECT_EQ(records[2].chunk->metadata.index, 0u);
  EXPECT_EQ(records[2].row, 2u);
  EXPECT_EQ(documents_, 3u - 1u);
}

TEST_F(ChunkSourceTest, ADocumentThatCannotBeChunkedIsOneRecordWithTheReason) {
  const auto records = read({make("a", "good"), make("b", "bad \xFF"), make("c.jsonl", "not json\n"), make("d", "ok")});
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[1].reason, "text: byte 4: not UTF-8 (0xFF); convert the text to UTF-8");
  EXPECT_FALSE(records[1].chunk);
  EXPECT_EQ(records[1].id, "\"" + path("b") + "\"");
  EXPECT_NE(records[2].reason, "");
  EXPECT_EQ(records[3].row, 3u);
  EXPECT_EQ(documents_, 2u);
}

TEST_F(ChunkSourceTest, DocumentsWithoutTextAreCounted) {
  EXPECT_EQ(read({make("a", ""), make("b", " \n"), make("c", "text")}).size(), 1u);
  EXPECT_EQ(documents_, 3u);
  EXPECT_EQ(empty_, 2u);
}

TEST_F(ChunkSourceTest, Lines) {
  const auto records = read({make("a.md", "Text.")});
  std::string line;
  append_chunk_line(line, records[0]);
  EXPECT_EQ(line, "{\"id\":" + records[0].id + ",\"document\":\"" + path("a.md") +
                      "\",\"index\":0,\"text\":\"Text.\",\"type\":\"paragraph\",\"bytes\":[0,5],\"characters\":[0,5],"
                      "\"headings\":[]}\n");
}

}  // namespace
}  // namespace bgem3::cli
