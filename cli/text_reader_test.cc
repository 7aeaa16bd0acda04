#include "text_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "failure.h"
#include "test_folder.h"

namespace bgem3::cli {
namespace {

using namespace std::string_literals;

class TextReaderTest : public ::testing::Test, protected TestFolder {
 protected:
  static std::vector<Record> read(InputOptions options) {
    TextReader reader(std::move(options));
    std::vector<Record> records;
    Record record;
    while (reader.next(record) == ReadResult::record) records.push_back(record);
    return records;
  }

  std::vector<std::string> texts(const std::string& name, std::string_view content,
                                 InputFormat format = InputFormat::detect) {
    std::vector<std::string> out;
    for (const Record& record : read({.files = {make(name, content)}, .format = format})) {
      out.push_back(record.reason.empty() ? record.text : "REJECTED " + record.reason);
    }
    return out;
  }

  using Texts = std::vector<std::string>;
};

TEST_F(TextReaderTest, Lines) {
  EXPECT_EQ(texts("a", "one\ntwo\n"), (Texts{"one", "two"}));
  EXPECT_EQ(texts("a", "one\ntwo"), (Texts{"one", "two"}));
  EXPECT_EQ(texts("a", "one\r\ntwo\r\n"), (Texts{"one", "two"}));
  EXPECT_EQ(texts("a", "one\n\n  \ntwo"), (Texts{"one", "", "  ", "two"}));
  EXPECT_EQ(texts("a", "a\rb\n"), (Texts{"a\rb"}));
  EXPECT_EQ(texts("a", "nul\0in\n"s), (Texts{"nul\0in"s}));
  EXPECT_EQ(texts("a", "\xFF bytes pass\n"), (Texts{"\xFF bytes pass"}));
  EXPECT_EQ(texts("a", ""), (Texts{}));
  EXPECT_EQ(texts("a", "\n"), (Texts{""}));
}

TEST_F(TextReaderTest, ByteOrderMarkOnlyAtTheStartOfAFile) {
  EXPECT_EQ(texts("a", "\xEF\xBB\xBFone\n\xEF\xBB\xBFtwo"), (Texts{"one", "\xEF\xBB\xBFtwo"}));
  EXPECT_EQ(texts("a", "\xEF\xBB\xBF"), (Texts{}));
  EXPECT_EQ(texts("a", "\xEF\xBB\xBF\n"), (Texts{""}));
  EXPECT_EQ(texts("a", "\xEF\xBB"), (Texts{"\xEF\xBB"}));
  EXPECT_EQ(texts("a", "\xEF\xBB\xBF{\"text\":\"t\"}"), (Texts{"t"}));
  const auto records = read({.files = {make("x",
                                            "\xEF\xBB\xBF"
                                            "1\n"),
                                       make("y",
                                            "\xEF\xBB\xBF"
                                            "2\n")}});
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].text, "2");
}

TEST_F(TextReaderTest, FormatIsDetected) {
  EXPECT_EQ(texts("a.txt", "{\"text\":\"t\"}"), (Texts{"{\"text\":\"t\"}"}));
  EXPECT_EQ(texts("a.jsonl", "{\"text\":\"t\"}"), (Texts{"t"}));
  EXPECT_EQ(texts("a.ndjson", "{\"text\":\"t\"}"), (Texts{"t"}));
  EXPECT_EQ(texts("a.dat", "  {\"text\":\"t\"}"), (Texts{"t"}));
  EXPECT_EQ(texts("a.dat", "plain\n{\"text\":\"t\"}"), (Texts{"plain", "{\"text\":\"t\"}"}));
  EXPECT_EQ(texts("a.jsonl", "{\"text\":\"t\"}", InputFormat::lines), (Texts{"{\"text\":\"t\"}"}));
  EXPECT_EQ(texts("a.txt", "{\"text\":\"t\"}", InputFormat::jsonl), (Texts{"t"}));
}

TEST_F(TextReaderTest, Documents) {
  const auto document = [&](const std::string& name, std::string_view content) {
    return texts(name, content, InputFormat::document);
  };
  EXPECT_EQ(document("a", "one\ntwo\n"), (Texts{"one\ntwo\n"}));
  EXPECT_EQ(document("a", "\r\n\none"), (Texts{"\r\n\none"}));
  EXPECT_EQ(document("a", "\xEF\xBB\xBF\none"), (Texts{"\none"}));
  EXPECT_EQ(document("a", ""), (Texts{""}));
  EXPECT_EQ(document("a.jsonl", "{}"), (Texts{"{}"}));
  const std::string large(3u << 20, 'x');
  EXPECT_EQ(document("a", large + "\n" + large), (Texts{large + "\n" + large}));
  EXPECT_EQ(document("a", "start\n" + large), (Texts{"start\n" + large}));
}

TEST_F(TextReaderTest, WhatIsNotJsonlMayBeADocument) {
  const auto records = read({.files = {make("a.txt", "{\n1\n"), make("b", "2\n2"), make("empty", ""),
                                       make("c", "{\"text\":\"3\"}\n{\"text\":\"4\"}"), make("d.md", "{5")},
                             .plain = InputFormat::document});
  std::vector<std::string> found, ids;
  for (const Record& record : records) {
    found.push_back(record.text);
    ids.push_back(record.id);
  }
  EXPECT_EQ(found, (Texts{"{\n1\n", "2\n2", "", "3", "4", "{5"}));
  EXPECT_EQ(ids, (Texts{"\"" + path("a.txt") + "\"", "\"" + path("b") + "\"", "\"" + path("empty") + "\"", "3", "4",
                        "\"" + path("d.md") + "\""}));
  EXPECT_TRUE(records[0].has_own_id);
  EXPECT_EQ(records[5].row, 5u);
}

TEST_F(TextReaderTest, DocumentsOverTheLimitAreRejected) {
  for (size_t size : {size_t{101}, size_t{300} << 10, size_t{5} << 20}) {
    for (const std::string& text : {std::string(size, 'x'), "x\n" + std::string(size, 'x'), std::string(size, '\n')}) {
      const auto records =
          read({.files = {make("a", text), make("b", "next")}, .format = InputFormat::document, .limit_bytes = 100});
      ASSERT_EQ(records.size(), 2u);
      EXPECT_EQ(records[0].reason, "the document is longer than 100 bytes");
      EXPECT_EQ(records[1].text, "next");
    }
  }
}

TEST_F(TextReaderTest, JsonlPassesOverBlankLinesButCountsThem) {
  const auto records =
      read({.files = {make("a.jsonl", "\n{\"text\":\"a\"}\n  \r\nnope\n{\"text\":\"b\",\"id\":\"k\"}\n\n")}});
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].line, 2u);
  EXPECT_EQ(records[0].id, "0");
  EXPECT_FALSE(records[0].has_own_id);
  EXPECT_EQ(records[1].line, 4u);
  EXPECT_NE(records[1].reason, "");
  EXPECT_EQ(records[2].line, 5u);
  EXPECT_EQ(records[2].row, 2u);
  EXPECT_EQ(records[2].id, "\"k\"");
  EXPECT_TRUE(records[2].has_own_id);
}

TEST_F(TextReaderTest, RowsCountOverAllFilesLinesInEach) {
  const auto records = read({.files = {make("a.txt", "1\n2"), make("empty.txt", ""), make("b.txt", "3\n")}});
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1].text, "2");
  EXPECT_EQ(records[2].file, path("b.txt"));
  EXPECT_EQ(records[2].line, 1u);
  EXPECT_EQ(records[2].row, 2u);
  EXPECT_EQ(records[2].id, "2");
}

TEST_F(TextReaderTest, LinesAroundTheBlockOfTheBuffer) {
  for (size_t size : {(256u << 10) - 2, (256u << 10) - 1, 256u << 10, (256u << 10) + 1, 3u << 20}) {
    const std::string line(size, 'x');
    EXPECT_EQ(texts("a", line + "\nend\n"), (Texts{line, "end"})) << size;
    EXPECT_EQ(texts("a", "start\n" + line), (Texts{"start", line})) << size;
    EXPECT_EQ(texts("a", line + "\r\n" + line), (Texts{line, line})) << size;
  }
}

TEST_F(TextReaderTest, TenMegabytes) {
  std::string text(10'000'000, 'a');
  for (size_t i = 0; i < text.size(); i += 7) text[i] = ' ';
  EXPECT_EQ(texts("a.txt", text), (Texts{text}));
  EXPECT_EQ(texts("a.jsonl", "{\"text\":\"" + text + "\"}\n{\"text\":\"next\"}"), (Texts{text, "next"}));
}

TEST_F(TextReaderTest, LinesOverTheLimitAreRejected) {
  const std::string reason = "REJECTED the line is longer than 100 bytes";
  for (size_t size : {size_t{101}, size_t{300} << 10, size_t{5} << 20}) {
    const std::string line(size, 'x');
    for (const char* end : {"\n", ""}) {
      std::vector<std::string> found;
      for (const Record& record : read({.files = {make("a.txt", "ok\n" + line + end)}, .limit_bytes = 100})) {
        found.push_back(record.reason.empty() ? record.text : "REJECTED " + record.reason);
      }
      EXPECT_EQ(found, (Texts{"ok", reason})) << size;
    }
    const auto records = read({.files = {make("a.txt", line + "\nnext\n")}, .limit_bytes = 100});
    ASSERT_EQ(records.size(), 2u);
    EXPECT_EQ(records[1].text, "next");
    EXPECT_EQ(records[1].line, 2u);
  }
  EXPECT_EQ(read({.files = {make("a.txt", std::string(100, 'x'))}, .limit_bytes = 100})[0].reason, "");
}

TEST_F(TextReaderTest, InputsThatCannotBeRead) {
  EXPECT_EQ(message_of<InputError>([&] { read({.files = {path("missing")}}); }),
            "cannot read " + path("missing") + ": No such file or directory");
  EXPECT_EQ(message_of<InputError>([&] { read({.files = {folder_}}); }), "cannot read " + folder_ + ": it is a folder");
  EXPECT_EQ(message_of<UsageError>([&] { read({.files = {"-", "-"}}); }), "standard input (-) can be read only once");
}

TEST_F(TextReaderTest, AllInputsAreCheckedBeforeTheFirstIsRead) {
  EXPECT_THROW(TextReader({.files = {make("a", "text"), path("missing")}}), InputError);
}

TEST_F(TextReaderTest, CountsBytes) {
  TextReader reader({.files = {make("a", "12345\n123\n"), make("b", "1\n")}});
  EXPECT_EQ(reader.bytes_total(), 12u);
  Record record;
  reader.next(record);
  EXPECT_EQ(reader.bytes_read(), 6u);
  while (reader.next(record) == ReadResult::record) {
  }
  EXPECT_EQ(reader.bytes_read(), 12u);
}

TEST_F(TextReaderTest, APipeThatPausesIsIdleAndOneThatStopsIsLeft) {
  const std::string fifo = path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  int stop[2];
  ASSERT_EQ(pipe(stop), 0);
  TextReader reader({.files = {fifo}, .format = InputFormat::lines}, stop[0]);
  EXPECT_FALSE(reader.bytes_total());
  Record record;
  EXPECT_EQ(reader.next(record, false), ReadResult::idle);  // nobody writes yet: neither an end nor a hang

  const int writer = open(fifo.c_str(), O_WRONLY);
  ASSERT_GE(writer, 0);
  ASSERT_EQ(write(writer, "one\ntw", 6), 6);
  EXPECT_EQ(reader.next(record), ReadResult::record);
  EXPECT_EQ(record.text, "one");
  EXPECT_EQ(reader.next(record, false), ReadResult::idle);
  ASSERT_EQ(write(writer, "o\n", 2), 2);
  EXPECT_EQ(reader.next(record), ReadResult::record);
  EXPECT_EQ(record.text, "two");

  ASSERT_EQ(write(stop[1], "x", 1), 1);
  EXPECT_EQ(reader.next(record), ReadResult::stopped);
  close(writer);
  close(stop[0]);
  close(stop[1]);
}

TEST_F(TextReaderTest, APipeEndsWhenItsWriterCloses) {
  const std::string fifo = path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  TextReader reader({.files = {fifo}});
  std::thread writer([&] {
    const int fd = open(fifo.c_str(), O_WRONLY);
    EXPECT_EQ(write(fd, "last", 4), 4);
    close(fd);
  });
  Record record;
  EXPECT_EQ(reader.next(record), ReadResult::record);
  EXPECT_EQ(record.text, "last");
  EXPECT_EQ(reader.next(record), ReadResult::end);
  EXPECT_EQ(reader.next(record), ReadResult::end);
  writer.join();
}

}  // namespace
}  // namespace bgem3::cli
