#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

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

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST_F(File, ReadsInPlaces) {
  const OpenFile file(make("a", "0123456789"));
  std::string part(3, ' ');
  file.read_at(4, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ(part, "456");
}

TEST_F(File, ReadingPastTheEndIsAnError) {
  const std::string path = make("a", "0123456789");
  const OpenFile file(path);
  std::string part(3, ' ');
  EXPECT_THROW(file.read_at(8, std::as_writable_bytes(std::span(part))), InferenceError);
  std::filesystem::resize_file(path, 5);  // also when the file had the bytes before
  EXPECT_THROW(file.read_at(4, std::as_writable_bytes(std::span(part))), InferenceError);
}

TEST_F(File, KnowsAChangedFile) {
  const std::string path = make("a", "one");
  const FileIdentity before = OpenFile(path).identity();
  EXPECT_EQ(OpenFile(path).identity(), before);
  EXPECT_FALSE(is_settled(before));
  std::filesystem::rename(make("b", "two"), path);
  EXPECT_NE(OpenFile(path).identity(), before);
  FileIdentity old = before;
  old.changed_ns -= 3'000'000'000;
  EXPECT_TRUE(is_settled(old));
}

TEST_F(File, AWrittenFileAppearsWhole) {
  const std::string path = folder_ + "/a";
  {
    FileWriter writer(path);
    writer.write(bytes_of("......"));
    writer.write(bytes_of("end"));
    writer.write_at(0, bytes_of("begin "));
    EXPECT_EQ(writer.size(), 9u);
    EXPECT_FALSE(is_file(path));
    writer.publish();
    EXPECT_EQ(read_file(path, 100), "begin end");
  }
  EXPECT_EQ(read_file(path, 100), "begin end");
  EXPECT_FALSE(is_file(path + ".part"));
}

TEST_F(File, AnUnpublishedFileLeavesWhatWasThere) {
  const std::string path = make("a", "old");
  { FileWriter(path).write(bytes_of("new")); }
  EXPECT_EQ(read_file(path, 100), "old");
  EXPECT_FALSE(is_file(path + ".part"));
}

TEST_F(File, WhatAKilledProcessLeftIsWrittenOver) {
  const std::string path = folder_ + "/a";
  make("a.part", "left by another process");
  FileWriter writer(path);
  writer.write(bytes_of("new"));
  writer.publish();
  EXPECT_EQ(read_file(path, 100), "new");
}

TEST_F(File, WritersWaitForEachOther) {
  const std::string path = make("a", "");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; j++) {
        FileWriter writer(path);
        const std::string longer = read_file(path, 1000) + "x";
        writer.write(bytes_of(longer));
        writer.publish();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(read_file(path, 1000), std::string(200, 'x'));
}

TEST_F(File, OnlyWhatAKilledProcessLeftIsRemoved) {
  const std::string path = folder_ + "/a";
  EXPECT_FALSE(is_being_written(path));
  EXPECT_FALSE(remove_unfinished(path));
  {
    FileWriter writer(path);
    EXPECT_TRUE(is_being_written(path));
    EXPECT_FALSE(remove_unfinished(path));
    writer.publish();
  }
  make("a.part", "left by another process");
  EXPECT_FALSE(is_being_written(path));
  EXPECT_TRUE(remove_unfinished(path));
  EXPECT_FALSE(is_file(path + ".part"));
  EXPECT_TRUE(is_file(path));
  std::filesystem::create_symlink(path, path + ".part");
  EXPECT_EQ(code_of([&] { remove_unfinished(path); }), ErrorCode::io);
  EXPECT_TRUE(is_file(path));
}

TEST_F(File, RemovingWhatWasLeftDoesNotDisturbWriters) {
  const std::string path = make("a", "");
  std::atomic<bool> done = false;
  std::thread cleaner([&] {
    while (!done) remove_unfinished(path);
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; i++) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; j++) {
        FileWriter writer(path);
        const std::string longer = read_file(path, 1000) + "x";
        writer.write(bytes_of(longer));
        writer.publish();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  cleaner.join();
  EXPECT_EQ(read_file(path, 1000), std::string(100, 'x'));
}

TEST_F(File, WhatCannotBeWrittenIsAnErrorAndLeavesNothing) {
  EXPECT_EQ(code_of([&] { FileWriter(folder_ + "/absent/a"); }), ErrorCode::io);
  EXPECT_EQ(code_of([&] { make_folders(make("file", "") + "/folder"); }), ErrorCode::io);
  make("target", "kept");
  std::filesystem::create_symlink(folder_ + "/target", folder_ + "/a.part");
  EXPECT_EQ(code_of([&] { FileWriter(folder_ + "/a"); }), ErrorCode::io);  // does not write through a link
  EXPECT_EQ(read_file(folder_ + "/target", 10), "kept");
  std::filesystem::create_directories(folder_ + "/b/c");
  {
    FileWriter writer(folder_ + "/b");
    EXPECT_EQ(code_of([&] { writer.publish(); }), ErrorCode::io);
  }
  EXPECT_FALSE(is_file(folder_ + "/b.part"));
}

}  // namespace
}  // namespace bgem3
