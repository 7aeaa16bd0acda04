#include "hub/settings.h"

#include <gtest/gtest.h>

#include "model/test_files.h"

namespace bgem3 {
namespace {

Caught refused(const HubEnvironment& hub) {
  return caught([&] { read_settings(hub, {}); });
}

HubEnvironment with(std::string HubEnvironment::*variable, const char* value) {
  HubEnvironment hub;
  hub.*variable = value;
  return hub;
}

TEST(HubSettings, OfAnEmptyEnvironment) {
  const HubSettings settings = read_settings({}, {});
  EXPECT_EQ(settings.endpoint, "https://huggingface.co");
  EXPECT_EQ(settings.token, "");
  EXPECT_FALSE(settings.offline);
  EXPECT_EQ(settings.etag_timeout_s, 10);
  EXPECT_EQ(settings.download_timeout_s, 10);
  EXPECT_TRUE(settings.symlinks);
  EXPECT_EQ(settings.cache, "");
}

TEST(HubSettings, Endpoints) {
  const auto endpoint = [](const char* value) {
    return read_settings(with(&HubEnvironment::hf_endpoint, value), {}).endpoint;
  };
  EXPECT_EQ(endpoint("http://127.0.0.1:8080/"), "http://127.0.0.1:8080");
  EXPECT_EQ(endpoint("https://mirror.example/hub//"), "https://mirror.example/hub");
  for (const char* wrong :
       {"huggingface.co", "ftp://x", "https://", "https:///x", "https://u:p@x", "https://x?y", "https://x y"}) {
    const Caught error = refused(with(&HubEnvironment::hf_endpoint, wrong));
    EXPECT_EQ(error.code, ErrorCode::invalid_input) << wrong;
    EXPECT_TRUE(error.says("HF_ENDPOINT")) << error.message;
  }
}

TEST(HubSettings, FlagsAndSeconds) {
  for (const char* yes : {"1", "on", "YES", "True"}) {
    EXPECT_TRUE(read_settings(with(&HubEnvironment::hf_hub_offline, yes), {}).offline) << yes;
    EXPECT_FALSE(read_settings(with(&HubEnvironment::hf_hub_disable_symlinks, yes), {}).symlinks) << yes;
  }
  EXPECT_FALSE(read_settings(with(&HubEnvironment::hf_hub_offline, "0"), {}).offline);
  EXPECT_EQ(read_settings(with(&HubEnvironment::transformers_offline, "1"), {}).offline_variable,
            "TRANSFORMERS_OFFLINE");
  HubEnvironment both = with(&HubEnvironment::transformers_offline, "1");
  both.hf_hub_offline = "0";  // the first that is set decides
  EXPECT_FALSE(read_settings(both, {}).offline);

  EXPECT_EQ(read_settings(with(&HubEnvironment::hf_hub_etag_timeout, "3"), {}).etag_timeout_s, 3);
  EXPECT_EQ(read_settings(with(&HubEnvironment::hf_hub_download_timeout, "0"), {}).download_timeout_s, 10);
  for (const char* wrong : {"soon", "-1", "1.5", "1s", "999999999"}) {
    EXPECT_TRUE(refused(with(&HubEnvironment::hf_hub_etag_timeout, wrong)).says("HF_HUB_ETAG_TIMEOUT")) << wrong;
  }
}

TEST(HubSettings, TokensInTheirOrder) {
  const TemporaryFolder home;
  home.write("token", " of-the-file\n");
  home.write("other", "of-the-path\n");
  CacheEnvironment caches;
  caches.hf_home = home.path();
  HubEnvironment hub;
  const auto token = [&] { return read_settings(hub, caches).token; };
  EXPECT_EQ(token(), "of-the-file");
  hub.hf_token_path = home.path("other");
  EXPECT_EQ(token(), "of-the-path");
  hub.hf_token_path = home.path("none");
  EXPECT_EQ(token(), "");
  hub.hugging_face_hub_token = "older";
  EXPECT_EQ(token(), "older");
  hub.hf_token = "newer ";
  EXPECT_EQ(token(), "newer");
  hub.hf_hub_disable_implicit_token = "1";
  EXPECT_EQ(token(), "");
}

TEST(HubSettings, ATokenThatCannotStandInAHeaderIsNotShown) {
  for (const char* wrong : {"secret\nX: y", "secret other",
                            "s\xC3\xA9"
                            "cret"}) {
    const Caught error = refused(with(&HubEnvironment::hf_token, wrong));
    EXPECT_TRUE(error.says("HF_TOKEN"));
    EXPECT_FALSE(error.says("cret")) << error.message;
  }
}

}  // namespace
}  // namespace bgem3
