#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace bgem3 {
namespace {

class File : public testing::Test {
 protected:
  File() : folder_(testing::TempDir() + "bgem3_file_" + std::to_string(getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~File() override { std::filesystem::remove_all(folder_); }
  std::string make(const std::string& name, const std::string& content) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << content;
    return folder_ + "/" + name;
  }
  template <typename Function>
  static ErrorCode code_of(Function function) {
    try {
      function();
    } catch (const ModelLoadingError& error) {
      return error.code();
    }
    return ErrorCode::internal;
  }
  const std::string folder_;
};

TEST_F(File, MapsTheWholeContent) {
  const MappedFile file(make("a", std::string("x\0y", 3)));
  ASSERT_EQ(file.bytes().size(), 3u);
  EXPECT_EQ(file.bytes()[2], std::byte{'y'});
}

TEST_F(File, MapsAnEmptyFileAsAnEmptySpan) { EXPECT_TRUE(MappedFile(make("empty", "")).bytes().empty()); }

TEST_F(File, ReleasedPagesAreReadAgain) {
  const MappedFile file(make("a", std::string(100000, 'x')));
  EXPECT_EQ(file.bytes()[99999], std::byte{'x'});
  file.release_pages();
  EXPECT_EQ(file.bytes()[99999], std::byte{'x'});
}

TEST_F(File, MovesTheMapping) {
  MappedFile first(make("a", "abc"));
  MappedFile second(std::move(first));
  EXPECT_EQ(second.bytes().size(), 3u);
}

TEST_F(File, ReadsUpToALimit) {
  const std::string path = make("a", "12345");
  EXPECT_EQ(read_file(path, 5), "12345");
  EXPECT_EQ(code_of([&] { read_file(path, 4); }), ErrorCode::overloaded);
}

TEST_F(File, RefusesWhatIsNoRegularFile) {
  EXPECT_EQ(code_of([&] { MappedFile(folder_ + "/absent"); }), ErrorCode::not_found);
  EXPECT_EQ(code_of([&] { MappedFile{folder_}; }), ErrorCode::io);
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(code_of([&] { MappedFile{pipe}; }), ErrorCode::io);  // and does not hang
  std::filesystem::create_symlink(folder_ + "/loop", folder_ + "/loop");
  EXPECT_EQ(code_of([&] { MappedFile(folder_ + "/loop"); }), ErrorCode::io);
}

TEST_F(File, TellsFilesFromFolders) {
  const std::string path = make("a", "");
  EXPECT_TRUE(is_file(path) && !is_folder(path));
  EXPECT_TRUE(is_folder(folder_) && !is_file(folder_));
  EXPECT_FALSE(is_file(folder_ + "/absent") || is_folder(folder_ + "/absent"));
}

}  // namespace
}  // namespace bgem3
