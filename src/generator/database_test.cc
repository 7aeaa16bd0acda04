#include "generator/database.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/file.h"
#include "model/test_files.h"

namespace bgem3 {
namespace {

constexpr DatabaseFormat kFormat = {
    .application_id = 7, .version = 2, .name = "test", .schema = "CREATE TABLE numbers (n INTEGER)"};

class DatabaseTest : public testing::Test {
 protected:
  Database open() {
    return Database::open(path_, kFormat, [&](const std::string& path) { set_aside_.push_back(path); });
  }
  const TemporaryFolder folder_;
  const std::string path_ = folder_.path("numbers.db");
  std::vector<std::string> set_aside_;
};

TEST_F(DatabaseTest, KeepsWhatIsStored) {
  {
    const Database database = open();
    Statement insert = database.prepare("INSERT INTO numbers VALUES (?)");
    for (int64_t n = 0; n < 5; n++) {
      insert.bind(0, n * n).step();
      insert.reset();
    }
  }
  EXPECT_EQ(open().ask("SELECT sum(n) FROM numbers"), 30);
  EXPECT_EQ(Database::open_to_read(path_, kFormat).ask("SELECT count(*) FROM numbers"), 5);
  EXPECT_TRUE(set_aside_.empty());
}

TEST_F(DatabaseTest, WhatIsNoDatabaseIsSetAsideAndKept) {
  for (const std::string& content : {"no database, but long enough to be read as one: " + std::string(200, 'x'),
                                     "SQLite format 3" + std::string(1, '\0') + std::string(4080, '\xff')}) {
    folder_.write("numbers.db", content);
    set_aside_.clear();
    open().run("INSERT INTO numbers VALUES (1)");
    ASSERT_EQ(set_aside_.size(), 1u);
    EXPECT_EQ(read_file(set_aside_[0], 1 << 20), content);
    EXPECT_EQ(open().ask("SELECT count(*) FROM numbers"), 1);
  }
}

TEST_F(DatabaseTest, AnEmptyFileBecomesADatabase) {
  folder_.write("numbers.db", "");
  EXPECT_EQ(open().ask("SELECT count(*) FROM numbers"), 0);
  EXPECT_TRUE(set_aside_.empty());
}

TEST_F(DatabaseTest, AnotherProgramsDatabaseIsRefusedAndNotTouched) {
  DatabaseFormat other = kFormat;
  other.application_id = 8;
  EXPECT_NO_THROW(Database::open(path_, other, [](const std::string&) {}));
  const std::string content = read_file(path_, 1 << 20);
  Caught error = caught([&] { open(); });
  EXPECT_EQ(error.code, ErrorCode::invalid_input);
  EXPECT_TRUE(error.says("another program")) << error.message;
  other.version = 3;
  error = caught([&] { Database::open(path_, other, [](const std::string&) {}); });
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_TRUE(error.says("version 2, expected 3")) << error.message;
  EXPECT_EQ(read_file(path_, 1 << 20), content);
  EXPECT_TRUE(set_aside_.empty());
}

TEST_F(DatabaseTest, WhatCannotBeOpenedIsAnIoError) {
  EXPECT_EQ(caught([&] { Database::open(folder_.path("missing/x.db"), kFormat, {}); }).code, ErrorCode::io);
  EXPECT_EQ(caught([&] { Database::open(folder_.path(), kFormat, {}); }).code, ErrorCode::io);
  EXPECT_EQ(caught([&] { Database::open_to_read(path_, kFormat); }).code, ErrorCode::not_found);
  folder_.write("numbers.db", std::string(1000, 'x'));
  EXPECT_EQ(caught([&] { Database::open_to_read(path_, kFormat); }).code, ErrorCode::corrupt);
}

TEST_F(DatabaseTest, ManyConnectionsMakeAndFillOneFile) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      const Database database = open();
      for (int n = 0; n < 20; n++) database.run("INSERT INTO numbers VALUES (1)");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(open().ask("SELECT count(*) FROM numbers"), 80);
}

// A child that writes is killed in the middle: everything it committed is there, and nothing else.
TEST_F(DatabaseTest, SurvivesAKilledProcess) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const Database database = open();
    for (int64_t n = 0;; n++) {
      database.run("BEGIN IMMEDIATE");
      database.run("INSERT INTO numbers VALUES (1)");
      database.run("INSERT INTO numbers VALUES (1)");
      database.run("COMMIT");
      if (n == 100 && write(pipe_ends[1], "x", 1) != 1) _exit(1);
    }
  }
  char byte;
  ASSERT_EQ(read(pipe_ends[0], &byte, 1), 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  const int64_t count = open().ask("SELECT count(*) FROM numbers");
  EXPECT_GE(count, 200);
  EXPECT_EQ(count % 2, 0);
  EXPECT_TRUE(set_aside_.empty());
}

}  // namespace
}  // namespace bgem3
