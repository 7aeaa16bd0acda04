#include "hub/http.h"

#include <gtest/gtest.h>

namespace bgem3 {
namespace {

TEST(HttpHead, LineByLine) {
  HttpResponse response;
  add_header_line(response, "HTTP/1.1 100 Continue\r\n");
  add_header_line(response, "X-Old: gone\r\n");
  add_header_line(response, "\r\n");
  add_header_line(response, "HTTP/2 206\r\n");
  add_header_line(response, "Content-RANGE:  bytes 1-2/3 \r\n");
  add_header_line(response, "empty:\r\n");
  add_header_line(response, "no colon\r\n");
  add_header_line(response, "Twice: a\r\n");
  add_header_line(response, "twice: b:c\r\n");
  EXPECT_EQ(response.status, 206);
  EXPECT_TRUE(response.ok());
  EXPECT_EQ(response.header("content-range"), "bytes 1-2/3");
  EXPECT_EQ(response.header("twice"), "b:c");
  EXPECT_EQ(response.header("empty"), "");
  EXPECT_EQ(response.header("x-old"), "");
  EXPECT_EQ(response.headers.size(), 3u);
}

TEST(HttpHead, AStatusThatIsNone) {
  for (const char* line : {"HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 abc", "HTTP/1.1 99999999999999999999 x"}) {
    HttpResponse response;
    add_header_line(response, line);
    EXPECT_EQ(response.status, 0) << line;
    EXPECT_FALSE(response.ok());
  }
}

TEST(ContentRanges, AsServersWriteThem) {
  const auto range = parse_content_range("bytes 5-9/10");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 5u);
  EXPECT_EQ(range->last, 9u);
  EXPECT_EQ(range->total, 10u);
  EXPECT_FALSE(parse_content_range("Bytes 0-0/*")->total);
  for (const char* wrong :
       {"", "bytes", "bytes 5-", "bytes 5-4/10", "bytes 5-9", "bytes 5-9/", "bytes 5-9/9", "bytes 5-9/10x",
        "bytes */10", "bytes -5-9/10", "items 5-9/10", "bytes 5-99999999999999999999/*"}) {
    EXPECT_FALSE(parse_content_range(wrong)) << wrong;
  }
}

// Who may see a token.
TEST(Origins, AreSchemeHostAndPort) {
  EXPECT_EQ(origin_of("https://Hub.example/a?b"), "https://hub.example:443");
  EXPECT_EQ(origin_of("https://hub.example:443"), origin_of("https://hub.example/x"));
  EXPECT_EQ(origin_of("https://user:secret@hub.example/"), origin_of("https://hub.example"));
  EXPECT_NE(origin_of("http://hub.example"), origin_of("https://hub.example"));
  EXPECT_NE(origin_of("https://hub.example:8443"), origin_of("https://hub.example"));
  EXPECT_NE(origin_of("https://hub.example.evil"), origin_of("https://hub.example"));
  EXPECT_NE(origin_of("https://hub.example@evil"), origin_of("https://hub.example"));
  EXPECT_EQ(origin_of("nonsense of no scheme"), "");
}

TEST(Redirects, AsABrowserReadsThem) {
  const std::string base = "https://hub.example/org/old/resolve/main/a%20b";
  EXPECT_EQ(resolve_url(base, "/org/new/resolve/main/a%20b"), "https://hub.example/org/new/resolve/main/a%20b");
  EXPECT_EQ(resolve_url(base, "https://cdn.example/x?y=1"), "https://cdn.example/x?y=1");
  EXPECT_EQ(origin_of(resolve_url(base, "//cdn.example/x")), "https://cdn.example:443");
  EXPECT_EQ(resolve_url(base, "file:///etc/passwd"), "");
  EXPECT_EQ(resolve_url(base, "ftp://hub.example/x"), "");
  EXPECT_EQ(resolve_url("nonsense", "also nonsense"), "");
}

}  // namespace
}  // namespace bgem3
