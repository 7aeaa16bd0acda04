#include "precision.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "bgem3/quantize.h"
#include "failure.h"
#include "test_folder.h"

namespace bgem3::cli {
namespace {

constexpr Precision kAll[] = {Precision::float32, Precision::float16, Precision::int8, Precision::ubinary};

// Two unit vectors of eight.
const std::vector<float> kVectors = {0.6f, -0.8f, 0, 0, 0,     0, 0,     0,  //
                                     0.5f, 0.1f,  0, 0, -0.7f, 0, -0.5f, 0};

TEST(Precision, WhatIsPackedIsWhatTheLibraryGives) {
  const std::vector<float> exact[] = {kVectors, from_float16(to_float16(kVectors)),
                                      from_int8(to_int8(kVectors, 8).values, 8),
                                      from_ubinary(to_ubinary(kVectors, 8), 8)};
  const size_t bytes_in_row[] = {32, 16, 8, 1};
  for (size_t i = 0; i < 4; ++i) {
    VectorPacker packer(kAll[i], 8);
    const auto bytes = packer.pack(kVectors, 0);
    EXPECT_EQ(bytes.size(), 2 * bytes_in_row[i]);
    EXPECT_EQ(unpack_vectors(kAll[i], bytes, 8), exact[i]) << name_of(kAll[i]);
    EXPECT_EQ(precision_of(packer.type()), kAll[i]);
    EXPECT_EQ(packer.columns(), i == 3 ? 1u : 8u);
    EXPECT_EQ(packer.clipped(), 0u);
    EXPECT_TRUE(packer.pack({}, 0).empty());
  }
}

TEST(Precision, AMissingRowComesBackAsNaN) {
  for (const Precision precision : {Precision::float32, Precision::float16, Precision::int8}) {
    VectorPacker packer(precision, 3);
    const std::vector<float> row = unpack_vectors(precision, packer.pack_missing(), 3);
    ASSERT_EQ(row.size(), 3u);
    for (const float value : row) EXPECT_TRUE(std::isnan(value)) << name_of(precision);
  }
}

TEST(Precision, ClippedComponentsAreCounted) {
  VectorPacker packer(Precision::int8, 1024);  // whose range is 0.25
  std::vector<float> vector(1024);
  vector[0] = 0.6f, vector[1] = -0.8f;
  packer.pack(vector, 0);
  packer.pack(vector, 1);
  EXPECT_EQ(packer.clipped(), 4u);
}

TEST(Precision, WhatAFormCannotHold) {
  VectorPacker packer(Precision::float16, 2);
  EXPECT_EQ(packer.pack(std::vector{65519.0f, -65519.0f}, 0).size(), 4u);
  const std::string message = message_of<InputError>([&] { packer.pack(std::vector{1.0f, -65520.0f}, 7); });
  EXPECT_EQ(message.find("row 7: a component is -65520, which float16 cannot hold"), 0u) << message;

  EXPECT_NE(message_of<UsageError>([] { check_precision(Precision::int8, 8, false); }).find("length one"),
            std::string::npos);
  for (const auto& [dimensions, advice] : {std::pair<size_t, const char*>{100, "--truncate-dim 96"}, {5, "found 5"}}) {
    const std::string problem = message_of<UsageError>([&] { check_precision(Precision::ubinary, dimensions, true); });
    EXPECT_NE(problem.find(advice), std::string::npos) << problem;
  }
  for (const Precision precision : kAll) check_precision(precision, 1024, true);
  for (const Precision precision : {Precision::float32, Precision::float16, Precision::ubinary}) {
    check_precision(precision, 8, false);
  }
}

}  // namespace
}  // namespace bgem3::cli
