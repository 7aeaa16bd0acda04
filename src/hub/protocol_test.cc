#include "hub/protocol.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace bgem3 {
namespace {

TEST(LinkHeader, NamesTheNextPage) {
  EXPECT_EQ(next_page("<https://hub/a?cursor=x>; rel=\"next\""), "https://hub/a?cursor=x");
  EXPECT_EQ(next_page("<https://hub/first>; rel=\"first\", <https://hub/next>; rel=\"next\""), "https://hub/next");
  for (const char* none : {"", "<https://hub/a>; rel=\"prev\"", "rel=\"next\"", "<https://hub/a; rel=\"next\""}) {
    EXPECT_EQ(next_page(none), "") << none;
  }
}

TEST(Attempts, AreFiveInARow) {
  size_t notices = 0;
  Attempts attempts({}, [&](const std::string& what) { notices += what == "x; trying again"; });
  for (int i = 0; i < 4; i++) EXPECT_TRUE(attempts.again("x", 0));
  EXPECT_FALSE(attempts.again("x", 0));
  attempts.progressed();
  EXPECT_TRUE(attempts.again("x", 0));
  EXPECT_FALSE(attempts.again("x", 100000)) << "nobody waits that long";
  EXPECT_EQ(notices, 5u);
}

TEST(Attempts, EndTheirWaitWhenAskedTo) {
  std::stop_source stop;
  Attempts attempts(stop.get_token(), [&](const std::string&) { stop.request_stop(); });
  try {
    attempts.again("x", 60);
    FAIL();
  } catch (const EmbeddingGenerationError& error) {
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
  }
}

TEST(MayPass, TheStatusesThatHuggingFaceHubTriesAgain) {
  const auto may_pass = [](int status) {
    HttpResponse response;
    response.status = status;
    return HubClient::may_pass(response);
  };
  for (const int status : {408, 429, 500, 502, 503, 504}) EXPECT_TRUE(may_pass(status)) << status;
  for (const int status : {200, 301, 400, 401, 403, 404, 416, 501}) EXPECT_FALSE(may_pass(status)) << status;
}

}  // namespace
}  // namespace bgem3
