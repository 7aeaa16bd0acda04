#include "output.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "failure.h"
#include "test_folder.h"

namespace bgem3::cli {
namespace {

class OutputTest : public ::testing::Test, protected TestFolder {};

// Files may not grow over a size while it lives: writing then fails as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, SIG_DFL);
  }

 private:
  rlimit before_;
};

TEST_F(OutputTest, KindsByEnding) {
  EXPECT_EQ(check_output("", false, {}), OutputKind::standard);
  EXPECT_EQ(check_output("-", false, {}), OutputKind::standard);
  EXPECT_EQ(check_output(path("a.npy"), false, {}), OutputKind::npy);
  EXPECT_EQ(check_output(path("a.npz"), false, {}), OutputKind::npz);
  EXPECT_EQ(check_output(path("a.jsonl"), false, {}), OutputKind::jsonl);
  EXPECT_EQ(files_in_folder(), 0u);  // nothing is made yet
}

TEST_F(OutputTest, RefusedBeforeAnyWork) {
  const auto usage = [&](const std::string& name, bool overwrite, std::vector<std::string> inputs = {}) {
    return message_of<UsageError>([&] { check_output(name, overwrite, inputs); });
  };
  EXPECT_NE(usage(folder_, true).find("is a folder"), std::string::npos);
  EXPECT_NE(usage(path("a.csv"), true).find("ends in .npy, .npz or .jsonl"), std::string::npos);
  EXPECT_NE(usage(path("a"), true).find("ends in .npy, .npz or .jsonl"), std::string::npos);
  const std::string old = make("old.npy", "precious");
  EXPECT_NE(usage(old, false).find("pass --overwrite"), std::string::npos);
  EXPECT_EQ(check_output(old, true, {}), OutputKind::npy);
  const std::string text = make("text.jsonl", "{}");
  EXPECT_NE(usage(text, true, {path("other"), text}).find("is also an input"), std::string::npos);
  std::filesystem::create_symlink(text, path("link.jsonl"));
  EXPECT_NE(usage(path("link.jsonl"), true, {text}).find("is also an input"), std::string::npos);
  ASSERT_EQ(mkfifo(path("fifo.npy").c_str(), 0600), 0);
  EXPECT_NE(usage(path("fifo.npy"), true).find("not a plain file"), std::string::npos);
  EXPECT_THROW(check_output(path("missing/a.npy"), false, {}), OutputError);
  EXPECT_EQ(content(old), "precious");
}

TEST_F(OutputTest, WritesAndSyncs) {
  OutputFile file = OutputFile::create(path("a"));
  file.write("one\n");
  file.write(std::string(3 << 20, 'x') + "\n");
  file.write("end\n");
  file.finish();
  EXPECT_EQ(content(path("a")), "one\n" + std::string(3 << 20, 'x') + "\nend\n");
}

TEST_F(OutputTest, AFullDiskLeavesWholeRecords) {
  FileSizeLimit limit(10'500);
  OutputFile file = OutputFile::create(path("a"));
  const std::string record = std::string(999, 'x') + "\n";
  for (int i = 0; i < 5; ++i) file.write(record);
  file.flush();
  for (int i = 0; i < 15; ++i) file.write(record);
  const std::string message = message_of<OutputError>([&] { file.flush(); });
  EXPECT_EQ(message, "cannot write " + path("a") + ": File too large");
  EXPECT_EQ(content(path("a")).size(), 10'000u);
}

TEST_F(OutputTest, AFullDeviceIsAnError) {
  OutputFile file = OutputFile::create("/dev/full");
  file.write("x");
  EXPECT_EQ(message_of<OutputError>([&] { file.finish(); }), "cannot write /dev/full: No space left on device");
}

TEST_F(OutputTest, AnAtomicFileAppearsWhole) {
  const std::string name = make("a", "old");
  AtomicFile file(name);
  file.out().write("0123456789");
  file.overwrite_start("ABC");
  EXPECT_EQ(content(name), "old");
  file.publish();
  EXPECT_EQ(content(name), "ABC3456789");
  EXPECT_EQ(files_in_folder(), 1u);
}

TEST_F(OutputTest, AnAtomicFileKeepsTheLinkToIt) {
  const std::string target = make("target", "old");
  std::filesystem::create_symlink(target, path("link"));
  AtomicFile file(path("link"));
  file.out().write("new");
  file.publish();
  EXPECT_EQ(content(target), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
}

TEST_F(OutputTest, AFullDiskLeavesNoTemporary) {
  const std::string name = make("a", "old");
  {
    FileSizeLimit limit(1000);
    AtomicFile file(name);
    file.out().write(std::string(5000, 'x'));
    EXPECT_THROW(file.publish(), OutputError);
  }
  EXPECT_EQ(content(name), "old");
  EXPECT_EQ(files_in_folder(), 1u);
}

}  // namespace
}  // namespace bgem3::cli
