#include "hub/names.h"

#include <gtest/gtest.h>

namespace bgem3 {
namespace {

TEST(HubNames, BelowAFolder) {
  for (const char* good : {"a", "config.json", "1_Pooling/config.json", "..a/b..", "a b", ".hidden"}) {
    EXPECT_TRUE(is_name_below(good)) << good;
  }
  for (const char* wrong : {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", "a\\b", "a\nb"}) {
    EXPECT_FALSE(is_name_below(wrong)) << wrong;
  }
  EXPECT_FALSE(is_name_below(std::string_view("a\0b", 3)));
  EXPECT_TRUE(is_name_below(std::string(255, 'a')));
  EXPECT_FALSE(is_name_below(std::string(256, 'a')));
}

TEST(HubNames, Etags) {
  EXPECT_EQ(parse_etag("\"abc\""), "abc");
  EXPECT_EQ(parse_etag("W/\"abc\""), "abc");
  EXPECT_EQ(parse_etag("abc-2"), "abc-2");
  for (const char* wrong : {"", "\"\"", "\"", "\"a/b\"", "\"..\"", "\".a\"", "\"a b\"", "\"a", "a\"b"}) {
    EXPECT_EQ(parse_etag(wrong), "") << wrong;
  }
  EXPECT_EQ(parse_etag(std::string(129, 'a')), "");
}

TEST(HubNames, HashesAmongEtags) {
  EXPECT_TRUE(is_sha256(std::string(64, 'a')));
  EXPECT_FALSE(is_sha256(std::string(64, 'A')));
  EXPECT_FALSE(is_sha256(std::string(40, 'a')));
  EXPECT_TRUE(is_git_sha1(std::string(40, '0')));
  EXPECT_FALSE(is_git_sha1(std::string(40, 'g')));
}

TEST(HubNames, InAddresses) {
  EXPECT_EQ(quote_url("refs/pr/130", false), "refs%2Fpr%2F130");
  EXPECT_EQ(quote_url("1_Pooling/config.json", true), "1_Pooling/config.json");
  EXPECT_EQ(quote_url("a b?#%\xC3\xA4~", true), "a%20b%3F%23%25%C3%A4~");
}

TEST(HubNames, SecretsAreNotShown) {
  EXPECT_EQ(shown_url("https://host/a/b?Signature=secret#x"), "https://host/a/b");
  EXPECT_EQ(shown_url("https://user:secret@host:80/a@b"), "https://host:80/a@b");
  EXPECT_EQ(shown_url("https://host"), "https://host");
  EXPECT_EQ(shown_url("nonsense?secret"), "nonsense");
}

}  // namespace
}  // namespace bgem3
