#include "c_api/guard.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bgem3::c_api {
namespace {

TEST(CApiGuard, EveryExceptionBecomesAStatusAndAMessage) {
  const std::vector<std::pair<std::function<void()>, std::pair<bgem3_status, std::string>>> cases = {
      {[] { throw ModelLoadingError(ErrorCode::not_found, "no such model"); }, {BGEM3_NOT_FOUND, "no such model"}},
      {[] { throw ResourceLimitError(ErrorCode::overloaded, "too much"); }, {BGEM3_OVERLOADED, "too much"}},
      {[] { throw EmbeddingGenerationError(ErrorCode::internal, "a bug"); }, {BGEM3_INTERNAL, "a bug"}},
      {[] { throw std::bad_alloc(); }, {BGEM3_OVERLOADED, "out of memory"}},
      {[] { std::vector<int>().reserve(SIZE_MAX); }, {BGEM3_OVERLOADED, "out of memory"}},
      {[] { throw std::runtime_error("something else"); }, {BGEM3_INTERNAL, "something else"}},
      {[] { throw 5; }, {BGEM3_INTERNAL, "an exception of no standard type"}},
  };
  for (const auto& [function, expected] : cases) {
    EXPECT_EQ(guarded(function), expected.first);
    EXPECT_EQ(last_error(), expected.second);
  }
}

TEST(CApiGuard, SuccessKeepsTheLastMessage) {
  EXPECT_EQ(failed(BGEM3_IO, "unreadable"), BGEM3_IO);
  EXPECT_EQ(guarded([] {}), BGEM3_OK);
  EXPECT_STREQ(last_error(), "unreadable");
}

TEST(CApiGuard, EachThreadHasItsOwnMessage) {
  failed(BGEM3_IO, "of this thread");
  std::string elsewhere = "not asked";
  std::thread([&] { elsewhere = last_error(); }).join();
  EXPECT_EQ(elsewhere, "");
  EXPECT_STREQ(last_error(), "of this thread");
}

TEST(CApiGuard, EveryCodeHasAStatusOfItsNameAndNumber) {
  const std::array names = {"ok", "invalid_input", "not_found", "corrupt", "unsupported",
                            "io", "overloaded",    "cancelled", "internal"};
  for (size_t number = 0; number < names.size(); number++) {
    EXPECT_STREQ(bgem3_status_name(static_cast<bgem3_status>(number)), names[number]);
  }
  EXPECT_STREQ(bgem3_status_name(static_cast<bgem3_status>(names.size())), "unknown");
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); code++) {
    EXPECT_STREQ(bgem3_status_name(status_of(static_cast<ErrorCode>(code))), to_string(static_cast<ErrorCode>(code)));
  }
}

struct Options {
  size_t struct_size;
  size_t first;
};

struct NewerOptions {
  Options known;
  size_t added;
};

TEST(CApiOptions, NullIsAllDefaults) {
  const Options options = read_options<Options>(nullptr, "options");
  EXPECT_EQ(options.first, 0u);
}

TEST(CApiOptions, AnOlderCallersFieldsAreRead) {
  const size_t older = sizeof(size_t);  // only struct_size
  EXPECT_EQ(read_options(reinterpret_cast<const Options*>(&older), "options").first, 0u);
}

TEST(CApiOptions, ANewerCallersFieldsMustBeZero) {
  NewerOptions newer = {{sizeof(NewerOptions), 7}, 0};
  EXPECT_EQ(read_options(&newer.known, "options").first, 7u);
  newer.added = 1;
  EXPECT_EQ(guarded([&] { read_options(&newer.known, "options"); }), BGEM3_UNSUPPORTED);
  EXPECT_NE(std::string(last_error()).find("options: a field is set"), std::string::npos);
}

TEST(CApiOptions, ASizeThatIsNoneIsRefused) {
  for (const size_t size : {size_t{0}, size_t{3}, sizeof(Options) + 1, size_t{1} << 40}) {
    const Options options = {size, 0};
    EXPECT_EQ(guarded([&] { read_options(&options, "options"); }), BGEM3_INVALID_INPUT);
    EXPECT_EQ(last_error(),
              "options.struct_size: expected sizeof(options), which is 16, found " + std::to_string(size));
  }
}

}  // namespace
}  // namespace bgem3::c_api
