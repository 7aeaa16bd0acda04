#include "npy.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <vector>

#include "failure.h"
#include "test_folder.h"

namespace bgem3::cli {
namespace {

using namespace std::string_literals;

class NpyTest : public ::testing::Test, protected TestFolder {
 protected:
  // A file of format 1.0 with this header text (a newline is added) and this data.
  std::string make_npy(const std::string& header, const std::string& data = "") const {
    std::string bytes = "\x93NUMPY\x01\x00"s;
    bytes += static_cast<char>((header.size() + 1) & 0xFF);
    bytes += static_cast<char>((header.size() + 1) >> 8);
    return make("made.npy", bytes + header + "\n" + data);
  }

  static NpyReader open_floats(const std::string& path) { return NpyReader(open_file(path), {"<f4"}, 2); }

  std::string error_of(const std::string& path) const {
    const std::string message = message_of<InputError>([&] { open_floats(path); });
    EXPECT_TRUE(message.starts_with("cannot read " + path + ": ")) << message;
    return message;
  }
};

TEST_F(NpyTest, HeaderIsAsNumPyWritesIt) {
  const std::string header = npy_header("<f4", std::vector<size_t>{3, 1024});
  EXPECT_EQ(header.size(), 128u);
  EXPECT_EQ(header.substr(0, 10), "\x93NUMPY\x01\x00\x76\x00"s);
  EXPECT_EQ(header.substr(10, 60), "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1024),");
  EXPECT_EQ(header.back(), '\n');
  EXPECT_EQ(npy_header("<f4", std::vector<size_t>{SIZE_MAX, SIZE_MAX}).size(), 128u);
  EXPECT_EQ(npy_header("<f4", std::vector<size_t>{SIZE_MAX, SIZE_MAX}).back(), '\n');
}

TEST_F(NpyTest, RoundTrip) {
  const std::string file = path("a.npy");
  const std::vector<float> rows = {1, 2, 3, -0.0f, 1e-40f, std::numeric_limits<float>::max()};
  {
    NpyWriter writer(file, "<f4", 3);
    writer.write_row(std::as_bytes(std::span(rows).first(3)));
    writer.write_row(std::as_bytes(std::span(rows).last(3)));
    EXPECT_FALSE(std::filesystem::exists(file));  // not before it is complete
    writer.publish();
  }
  EXPECT_EQ(files_in_folder(), 1u);
  EXPECT_EQ(content(file).size(), 128 + 6 * sizeof(float));

  NpyReader reader = open_floats(file);
  ASSERT_EQ(reader.rows(), 2u);
  ASSERT_EQ(reader.columns(), 3u);
  std::vector<float> row(3);
  ASSERT_TRUE(reader.read(row));
  EXPECT_EQ(std::memcmp(row.data(), rows.data(), 12), 0);
  ASSERT_TRUE(reader.read(row));
  EXPECT_EQ(std::memcmp(row.data(), rows.data() + 3, 12), 0);
  EXPECT_FALSE(reader.read(row));
}

TEST_F(NpyTest, ManyRows) {
  const std::string file = path("a.npy");
  constexpr size_t kColumns = 257, kRows = 5000;  // several buffers
  NpyWriter writer(file, "<f4", kColumns);
  std::vector<float> row(kColumns);
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kColumns; ++c) row[c] = static_cast<float>(r * kColumns + c);
    writer.write_row(std::as_bytes(std::span(row)));
  }
  writer.publish();
  NpyReader reader = open_floats(file);
  for (size_t r = 0; r < kRows; ++r) {
    ASSERT_TRUE(reader.read(row));
    ASSERT_EQ(row[0], static_cast<float>(r * kColumns));
    ASSERT_EQ(row[kColumns - 1], static_cast<float>(r * kColumns + kColumns - 1));
  }
  EXPECT_FALSE(reader.read(row));
}

TEST_F(NpyTest, NoRows) {
  const std::string file = path("a.npy");
  NpyWriter(file, "<f4", 4).publish();
  NpyReader reader = open_floats(file);
  EXPECT_EQ(reader.rows(), 0u);
  EXPECT_EQ(reader.columns(), 4u);
}

TEST_F(NpyTest, OneOfSeveralTypes) {
  const std::string file = path("a.npy");
  const std::vector<int8_t> values = {1, -128, 127, 0, 5, -6};
  NpyWriter writer(file, "|i1", 3);
  for (size_t row = 0; row < 2; ++row) writer.write_row(std::as_bytes(std::span(values).subspan(3 * row, 3)));
  writer.publish();

  NpyReader reader(open_file(file), {"<f4", "|i1"}, 2);
  EXPECT_EQ(reader.type(), "|i1");
  EXPECT_EQ(reader.row_bytes(), 3u);
  std::vector<std::byte> bytes(6);
  ASSERT_TRUE(reader.read(bytes));
  EXPECT_EQ(std::memcmp(bytes.data(), values.data(), 6), 0);
  const auto open = [&](std::initializer_list<std::string_view> types) {
    return message_of<InputError>([&] { NpyReader(open_file(file), types, 2); });
  };
  EXPECT_EQ(open({"<f2", "|u1"}), "cannot read " + file + ": expected float16 ('<f2') or uint8 ('|u1'), found '|i1'");
}

TEST_F(NpyTest, AnUnfinishedFileLeavesNothingAndTheOldOneAlone) {
  const std::string file = make("a.npy", "old");
  { NpyWriter writer(file, "<f4", 4); }
  EXPECT_EQ(content(file), "old");
  EXPECT_EQ(files_in_folder(), 1u);
}

TEST_F(NpyTest, OtherSpellingsOfTheHeaderAreRead) {
  const std::string row(8, '\0');
  for (const char* header : {
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}",
           "{\"shape\":(1,2,),\"descr\":\"<f4\",\"fortran_order\":False}",
           "  { 'fortran_order' : False , 'descr' : '<f4' , 'shape' : ( 1 , 2 ) , }   ",
       }) {
    NpyReader reader = open_floats(make_npy(header, row));
    EXPECT_EQ(reader.rows(), 1u);
    EXPECT_EQ(reader.columns(), 2u);
  }
  // Version 2 has a longer length.
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}\n";
  make("v2.npy", "\x93NUMPY\x02\x00"s + static_cast<char>(header.size()) + "\0\0\0"s + header + row);
  EXPECT_EQ(open_floats(path("v2.npy")).columns(), 2u);
}

TEST_F(NpyTest, FilesThatAreSomethingElse) {
  struct Case {
    const char* header;
    const char* problem;
  };
  const Case cases[] = {
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2)}", "expected float32 ('<f4'), found '<f8'"},
      {"{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2)}", "expected float32 ('<f4'), found '>f4'"},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (1, 2)}", "expected float32 ('<f4'), found '|O'"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "found a structured type"},
      {"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}", "expected C order"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "expected two dimensions, found 1"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "expected two dimensions, found 0"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 1)}", "expected two dimensions, found 3"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2)}", "not a dictionary"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}", "not a dictionary"},
      {"{'descr': '<f4', 'fortran_order': False}", "not a dictionary"},
      {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}", "not a dictionary"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), 'more': 1}", "not a dictionary"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)} x", "not a dictionary"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)", "not a dictionary"},
      {"{'descr", "not a dictionary"},
      {"", "not a dictionary"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 2)}", "too large"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 1)}", "too large"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2)}", "not a dictionary"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3)}", "the file has"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)}", "the file has"},
  };
  for (const Case& c : cases) {
    const std::string message = error_of(make_npy(c.header, std::string(8, '\0')));
    EXPECT_NE(message.find(c.problem), std::string::npos) << c.header << " -> " << message;
  }
  EXPECT_NE(error_of(make("x.npy", "")).find("ends too early"), std::string::npos);
  EXPECT_NE(error_of(make("x.npy", "<!DOCTYPE html><html>")).find("not an .npy file"), std::string::npos);
  EXPECT_NE(error_of(make("x.npy", "\x93NUMPY\x09\x00\x10\x00"s)).find("version 9"), std::string::npos);
  EXPECT_NE(error_of(make("x.npy", "\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF"s)).find("a header of"), std::string::npos);
  EXPECT_NE(error_of(make("x.npy", npy_header("<f4", std::vector<size_t>{1, 2}).substr(0, 60))).find("ends too early"),
            std::string::npos);
  EXPECT_NE(error_of(path("missing.npy")).find("No such file"), std::string::npos);
  EXPECT_NE(error_of(folder_).find("not a plain file"), std::string::npos);
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_NE(error_of(path("fifo")).find("not a plain file"), std::string::npos);  // and no hang
}

}  // namespace
}  // namespace bgem3::cli
