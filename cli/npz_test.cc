#include "npz.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <vector>

#include "failure.h"
#include "npy.h"
#include "test_folder.h"

namespace bgem3::cli {
namespace {

class NpzTest : public ::testing::Test, protected TestFolder {
 protected:
  NpzTest() {
    NpzWriter writer(file_);
    writer.add("a", "<f4", 2).append(std::vector<float>{1, 2, 3, 4, 5, 6});
    writer.add("b", "<i8").append(std::vector<int64_t>{7, -8});
    writer.add("none", "<i4");
    writer.publish();
  }

  std::string error_of(const std::string& path) const {
    return message_of<InputError>([&] {
      NpyReader reader(open_npz_array(path, "a"), {"<f4"}, 2);
      std::vector<float> values(6);
      reader.read(values);
    });
  }

  const std::string file_ = path("a.npz");
};

TEST_F(NpzTest, ArraysAreReadSideBySide) {
  NpyReader a(open_npz_array(file_, "a"), {"<f4"}, 2), b(open_npz_array(file_, "b"), {"<i8"}, 1),
      none(open_npz_array(file_, "none"), {"<i4"}, 1);
  EXPECT_EQ(a.rows(), 3u);
  EXPECT_EQ(a.columns(), 2u);
  EXPECT_EQ(b.rows(), 2u);
  EXPECT_EQ(none.rows(), 0u);
  std::vector<float> row(2);
  std::vector<int64_t> number(1);
  ASSERT_TRUE(a.read(row));
  EXPECT_EQ(row, (std::vector<float>{1, 2}));
  ASSERT_TRUE(b.read(number));
  EXPECT_EQ(number[0], 7);
  ASSERT_TRUE(a.read(row));
  ASSERT_TRUE(b.read(number));
  EXPECT_EQ(number[0], -8);
  EXPECT_FALSE(b.read(number));
  ASSERT_TRUE(a.read(row));
  EXPECT_EQ(row, (std::vector<float>{5, 6}));
  EXPECT_FALSE(a.read(row));
}

TEST_F(NpzTest, AnArrayThatIsNotThere) { EXPECT_EQ(open_npz_array(file_, "c"), nullptr); }

TEST_F(NpzTest, AnArrayOfAnotherTypeOrShape) {
  const auto open = [&](const char* type, size_t dimensions) {
    return message_of<InputError>([&] { NpyReader(open_npz_array(file_, "a"), {type}, dimensions); });
  };
  EXPECT_EQ(open("<i8", 2), "cannot read " + file_ + ": a.npy: expected int64 ('<i8'), found '<f4'");
  EXPECT_EQ(open("<f4", 1), "cannot read " + file_ + ": a.npy: expected one dimension, found 2");
}

TEST_F(NpzTest, DamagedFiles) {
  const std::string whole = content(file_);
  std::string changed = whole;
  changed[whole.find("\x93NUMPY") + 128] ^= 1;
  EXPECT_NE(error_of(make("x.npz", changed)).find("damaged one (ZIP bad CRC"), std::string::npos);
  for (const size_t length : {whole.size() - 30, whole.size() / 2, size_t{100}, size_t{0}}) {
    EXPECT_NE(error_of(make("x.npz", whole.substr(0, length))).find("not a zip archive, or a damaged one"),
              std::string::npos)
        << length;
  }
  EXPECT_NE(error_of(make("x.npz", std::string(1000, 'x'))).find("not a zip archive"), std::string::npos);
  EXPECT_NE(error_of(path("missing.npz")).find("No such file"), std::string::npos);
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_NE(error_of(path("fifo")).find("not a plain file"), std::string::npos);  // and no hang
}

// No byte may be turned into anything but the same values or an error.
TEST_F(NpzTest, EveryChangedByteIsHarmlessOrAnError) {
  const std::string whole = content(file_);
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(~changed[i]);
    const std::string copy = make("x.npz", changed);
    try {
      auto source = open_npz_array(copy, "a");
      if (!source) continue;  // its name was changed
      NpyReader reader(std::move(source), {"<f4"}, 2);
      std::vector<float> values(6);
      ASSERT_TRUE(reader.read(values)) << i;
      EXPECT_EQ(values, (std::vector<float>{1, 2, 3, 4, 5, 6})) << i;
    } catch (const InputError&) {
    }
  }
}

}  // namespace
}  // namespace bgem3::cli
