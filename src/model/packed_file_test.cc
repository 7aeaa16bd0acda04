#include "model/packed_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "model/test_files.h"

namespace bgem3 {
namespace {

constexpr const char* kKey = "0123 f32 1";

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A folder with a packed file of three sections: "one" (100 bytes), "empty", "two" (5 bytes in two pieces).
class PackedFile : public testing::Test {
 protected:
  PackedFile() {
    PackedFileWriter writer(path_, kKey);
    writer.add("one", 7, bytes_of(std::string(100, 'x')));
    writer.add("empty", 0, {});
    writer.begin("two", 9);
    writer.write(bytes_of("he"));
    writer.write(bytes_of("llo"));
    writer.end();
    writer.publish();
    content_ = read_file(path_, 1 << 20);
  }
  Caught opened(const std::string& content) const {
    folder_.write("changed", content);
    return caught([&] { open_packed_file(folder_.path("changed"), kKey); });
  }
  // The content with a number somewhere, and a checksum that fits.
  template <typename T>
  std::string resealed(size_t at, T value) const {
    std::string changed = content_;
    std::memcpy(changed.data() + at, &value, sizeof value);
    std::memset(changed.data() + 192, 0, 64);
    uint64_t table;
    std::memcpy(&table, content_.data() + 16, sizeof table);
    const std::string sum = sha256_hex(bytes_of(changed.substr(0, 256) + changed.substr(table)));
    std::memcpy(changed.data() + 192, sum.data(), 64);
    return changed;
  }
  size_t table() const { return content_.size() - 3 * 192; }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.path("a.packed");
  std::string content_;
};

TEST_F(PackedFile, SaysWhatItWasMadeFor) {
  EXPECT_EQ(read_packed_key(path_), kKey);
  for (const std::string& content : {std::string(), std::string(10, 'x'), std::string(300, 'x'), std::string(256, 0)}) {
    folder_.write("other", content);
    EXPECT_EQ(caught([&] { read_packed_key(folder_.path("other")); }).code, ErrorCode::corrupt);
  }
  EXPECT_EQ(caught([&] { read_packed_key(folder_.path("none")); }).code, ErrorCode::not_found);
}

TEST_F(PackedFile, GivesBackItsSections) {
  const Sections sections = open_packed_file(path_, kKey);
  ASSERT_TRUE(sections.find("one") && sections.find("two") && sections.find("empty"));
  EXPECT_EQ(text_of(sections.find("one")->bytes), std::string(100, 'x'));
  EXPECT_EQ(text_of(sections.find("two")->bytes), "hello");
  EXPECT_EQ(sections.find("two")->type, 9u);
  EXPECT_EQ(sections.find("two")->offset % 64, 0u);
  EXPECT_EQ(content_.substr(sections.find("two")->offset, 5), "hello");
  EXPECT_TRUE(sections.find("empty")->bytes.empty());
  EXPECT_EQ(sections.find("three"), nullptr);
  EXPECT_NO_THROW(verify_sections(sections));
}

TEST_F(PackedFile, SectionsInMemoryAreFoundAlike) {
  Sections sections;
  AlignedBuffer<std::byte> buffer(3);
  std::memcpy(buffer.data(), "abc", 3);
  sections.add("one", 5, std::move(buffer));
  const Sections moved = std::move(sections);
  EXPECT_EQ(text_of(moved.find("one")->bytes), "abc");
  EXPECT_EQ(moved.find("one")->type, 5u);
  EXPECT_EQ(moved.file(), nullptr);
}

TEST_F(PackedFile, AnotherKeyIsRefused) {
  const Caught error = caught([&] { open_packed_file(path_, "0123 int8 1"); });
  EXPECT_TRUE(error.code == ErrorCode::corrupt && error.says("\"0123 f32 1\"") && error.says("\"0123 int8 1\""))
      << error.message;
  EXPECT_EQ(caught([&] { open_packed_file(folder_.path("absent"), kKey); }).code, ErrorCode::not_found);
}

TEST_F(PackedFile, EveryDamagedByteOfHeaderAndTableIsNoticedAtOpening) {
  ASSERT_FALSE(opened(content_).thrown);
  for (size_t at = 0; at < content_.size(); at++) {
    if (at == 256) at = table();
    std::string damaged = content_;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_EQ(opened(damaged).code, ErrorCode::corrupt) << "byte " << at;
  }
}

TEST_F(PackedFile, EveryDamagedByteOfASectionIsNoticedByVerifying) {
  const Sections sections = open_packed_file(path_, kKey);
  for (const char* name : {"one", "two"}) {
    const Section& section = *sections.find(name);
    for (size_t i = 0; i < section.bytes.size(); i++) {
      std::string damaged = content_;
      damaged[section.offset + i] = static_cast<char>(damaged[section.offset + i] ^ 0x80);
      folder_.write("damaged", damaged);
      const Sections opened = open_packed_file(folder_.path("damaged"), kKey);
      const Caught error = caught([&] { verify_sections(opened); });
      EXPECT_TRUE(error.code == ErrorCode::corrupt && error.says(name)) << error.message;
    }
  }
}

TEST_F(PackedFile, EveryShorterAndALongerFileIsRefused) {
  for (size_t size = 0; size < content_.size(); size++) {
    EXPECT_EQ(opened(content_.substr(0, size)).code, ErrorCode::corrupt) << size;
  }
  EXPECT_EQ(opened(content_ + " ").code, ErrorCode::corrupt);
}

// A file that somebody made to harm: the checksum fits, the numbers do not.
TEST_F(PackedFile, RefusesNumbersThatLeadOutOfTheFile) {
  EXPECT_FALSE(opened(resealed<uint32_t>(8, 1)).thrown);
  EXPECT_TRUE(opened(resealed<uint32_t>(8, 2)).says("format 2"));
  EXPECT_EQ(opened(resealed<uint32_t>(12, 4)).code, ErrorCode::corrupt);           // sections
  EXPECT_EQ(opened(resealed<uint32_t>(12, UINT32_MAX)).code, ErrorCode::corrupt);  //
  EXPECT_EQ(opened(resealed<uint64_t>(24, UINT64_MAX)).code, ErrorCode::corrupt);  // size of the file
  const size_t first = table() + 64, second = first + 192;
  EXPECT_TRUE(opened(resealed<uint64_t>(first + 8, 64)).says("between"));           // over the header
  EXPECT_TRUE(opened(resealed<uint64_t>(first + 8, 257)).says("between"));          // not at a multiple of 64
  EXPECT_TRUE(opened(resealed<uint64_t>(first + 16, 1 << 20)).says("between"));     // past the table
  EXPECT_TRUE(opened(resealed<uint64_t>(first + 16, UINT64_MAX)).says("between"));  // wraps around
  EXPECT_TRUE(opened(resealed<uint64_t>(second + 8, 256)).says("between"));         // over the one before
  uint32_t name;
  std::memcpy(&name, "two", 4);
  EXPECT_TRUE(opened(resealed(table(), name)).says("twice"));
}

TEST_F(PackedFile, ANameWithoutEndIsRefused) {
  std::string endless = content_;
  std::memset(endless.data() + table(), 'n', 63);
  std::swap(endless, content_);
  EXPECT_TRUE(opened(resealed<char>(table() + 63, 'n')).says("does not end"));
}

TEST_F(PackedFile, AnUnpublishedFileLeavesTheOldOne) {
  {
    PackedFileWriter writer(path_, kKey);
    writer.add("other", 0, bytes_of("x"));
  }
  EXPECT_EQ(read_file(path_, 1 << 20), content_);
  EXPECT_FALSE(is_file(path_ + ".part"));
}

TEST_F(PackedFile, AnOpenedFileSurvivesItsReplacement) {
  const Sections sections = open_packed_file(path_, kKey);
  PackedFileWriter writer(path_, kKey);
  writer.publish();
  EXPECT_EQ(text_of(sections.find("two")->bytes), "hello");
  EXPECT_EQ(open_packed_file(path_, kKey).find("two"), nullptr);
}

}  // namespace
}  // namespace bgem3
