#include "model/model_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/test_files.h"
#include "model/verification.h"

namespace bgem3 {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCommit = "5617a9f61b028005a4858fdac845db406aefb181";
constexpr const char* kModules = R"([{"path":"","type":"sentence_transformers.models.Transformer"},
                                     {"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}])";

void write_model(const TemporaryFolder& folder, const std::string& prefix = "") {
  folder.write(prefix + "config.json", "{}");
  folder.write(prefix + "tokenizer.json", "{}");
  folder.write(prefix + "modules.json", kModules);
  folder.write(prefix + "1_Pooling/config.json", "{}");
  folder.write(prefix + "model.safetensors", "12345678");
}

// A cache with one revision of org/name.
std::string write_cache(const TemporaryFolder& folder) {
  const std::string repository = "models--org--name/";
  write_model(folder, repository + "snapshots/" + kCommit + "/");
  folder.write(repository + "refs/main", kCommit);
  folder.write(repository + "refs/refs/pr/130", kCommit);
  return repository;
}

ModelFiles find_in(const TemporaryFolder& cache, const std::string& name) {
  CacheEnvironment environment;
  environment.hf_hub_cache = cache.path();
  return find_model(name, environment);
}

Caught find_error(const TemporaryFolder& cache, const std::string& name) {
  return caught([&] { find_in(cache, name); });
}

TEST(PackedCacheFolder, InTheOrderOfTheVariables) {
  CacheEnvironment environment;
  EXPECT_EQ(packed_cache_folder(environment), "");
  environment.home = "/users/x";
  EXPECT_EQ(packed_cache_folder(environment), "/users/x/.cache/bgem3");
  environment.xdg_cache_home = "/xdg";
  EXPECT_EQ(packed_cache_folder(environment), "/xdg/bgem3");
  environment.bgem3_cache_dir = "~/packed";
  EXPECT_EQ(packed_cache_folder(environment), "/users/x/packed");
}

TEST(CacheFolder, InTheOrderOfTheVariables) {
  CacheEnvironment environment;
  EXPECT_EQ(cache_folder(environment), "");
  environment.home = "/users/x";
  EXPECT_EQ(cache_folder(environment), "/users/x/.cache/huggingface/hub");
  environment.xdg_cache_home = "/xdg";
  EXPECT_EQ(cache_folder(environment), "/xdg/huggingface/hub");
  environment.hf_home = "~/hf";
  EXPECT_EQ(cache_folder(environment), "/users/x/hf/hub");
  environment.huggingface_hub_cache = "/old";
  EXPECT_EQ(cache_folder(environment), "/old");
  environment.hf_hub_cache = "/hub";
  EXPECT_EQ(cache_folder(environment), "/hub");
}

TEST(FindModel, AFolder) {
  const TemporaryFolder folder;
  write_model(folder);
  const ModelFiles files = find_model(folder.path(), {});
  EXPECT_EQ(files.folder, folder.path());
  EXPECT_EQ(files.revision, "");
  EXPECT_EQ(files.weights, std::vector<std::string>{"model.safetensors"});
  EXPECT_TRUE(files.has("1_Pooling/config.json"));
  EXPECT_FALSE(files.has("sentence_bert_config.json"));
  EXPECT_EQ(files.files.back().name, "model.safetensors");
  EXPECT_EQ(files.files.back().size_bytes, 8u);
  EXPECT_EQ(files.files.back().path, folder.path("model.safetensors"));
  EXPECT_EQ(find_model(folder.path() + "/", {}).path("config.json"), folder.path() + "/config.json");
}

TEST(FindModel, PrefersSafetensorsThenShardsThenTorch) {
  const TemporaryFolder folder;
  write_model(folder);
  folder.write("pytorch_model.bin", "x");
  folder.write("model.safetensors.index.json",
               R"({"weight_map":{"a":"b.safetensors","c":"a.safetensors","d":"a.safetensors"}})");
  EXPECT_EQ(find_model(folder.path(), {}).weights, std::vector<std::string>{"model.safetensors"});
  fs::remove(folder.path("model.safetensors"));
  const Caught error = caught([&] { find_model(folder.path(), {}); });
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_TRUE(error.says("missing a.safetensors, b.safetensors")) << error.message;
  folder.write("a.safetensors", "x");
  folder.write("b.safetensors", "x");
  EXPECT_EQ(find_model(folder.path(), {}).weights, (std::vector<std::string>{"a.safetensors", "b.safetensors"}));
  fs::remove(folder.path("model.safetensors.index.json"));
  EXPECT_EQ(find_model(folder.path(), {}).weights, std::vector<std::string>{"pytorch_model.bin"});
  fs::remove(folder.path("pytorch_model.bin"));
  folder.write("pytorch_model.bin.index.json", "{}");
  EXPECT_EQ(caught([&] { find_model(folder.path(), {}); }).code, ErrorCode::unsupported);
}

TEST(FindModel, SaysEveryMissingFile) {
  const TemporaryFolder folder;
  folder.write("modules.json", kModules);
  const Caught error = caught([&] { find_model(folder.path(), {}); });
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_TRUE(
      error.says("missing 1_Pooling/config.json, config.json, tokenizer.json, the weights (model.safetensors, "
                 "model.safetensors.index.json or pytorch_model.bin); looked in " +
                 folder.path()))
      << error.message;
}

TEST(FindModel, RefusesIndexAndModulesThatLeaveTheFolder) {
  const TemporaryFolder folder;
  write_model(folder);
  fs::remove(folder.path("model.safetensors"));
  folder.write("model.safetensors.index.json", R"({"weight_map":{"a":"../../etc/passwd"}})");
  EXPECT_TRUE(caught([&] { find_model(folder.path(), {}); }).says("is not a bare file name"));
  write_model(folder);
  folder.write("modules.json", R"([{"path":"","type":"sentence_transformers.models.Transformer"},
                                   {"path":"../x","type":"sentence_transformers.models.Pooling"}])");
  EXPECT_TRUE(caught([&] { find_model(folder.path(), {}); }).says("leaves the model's folder"));
}

TEST(FindModel, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  for (const char* name : {"config.json", "model.safetensors"}) {
    write_model(folder);
    const std::string path = folder.path(name);
    fs::remove(path);
    fs::create_directory(path);
    EXPECT_TRUE(caught([&] { find_model(folder.path(), {}); }).says("expected a regular file, found a folder")) << name;
    fs::remove(path);
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    EXPECT_TRUE(caught([&] { find_model(folder.path(), {}); }).says("found a pipe")) << name;
    fs::remove(path);
    fs::create_symlink(name, path);  // a link to itself
    const Caught loop = caught([&] { find_model(folder.path(), {}); });
    EXPECT_EQ(loop.code, ErrorCode::io) << loop.message;
    EXPECT_TRUE(loop.says("Too many levels of symbolic links")) << loop.message;
    fs::remove(path);
    fs::create_symlink("nowhere", path);
    EXPECT_EQ(caught([&] { find_model(folder.path(), {}); }).code, ErrorCode::not_found) << name;
    fs::remove(path);
  }
}

TEST(FindModel, InTheCacheWithRealFiles) {
  const TemporaryFolder cache;
  const std::string repository = write_cache(cache);
  for (const std::string name :
       {"org/name", "org/name@main", "org/name@refs/pr/130", "org/name@5617a9f61b028005a4858fdac845db406aefb181"}) {
    const ModelFiles files = find_in(cache, name);
    EXPECT_EQ(files.name, name);
    EXPECT_EQ(files.revision, kCommit);
    EXPECT_EQ(files.folder, cache.path(repository + "snapshots/" + kCommit));
  }
}

TEST(FindModel, InTheCacheWithSymbolicLinks) {
  const TemporaryFolder cache;
  const std::string repository = "models--org--name/";
  const std::string snapshot = repository + "snapshots/" + kCommit + "/";
  write_model(cache, snapshot);
  cache.write(repository + "refs/main", std::string(kCommit) + "\n");
  int blobs = 0;
  for (const std::string name :
       {"config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json", "model.safetensors"}) {
    const std::string blob = "blobs/" + std::to_string(blobs++);
    fs::create_directories(cache.path(repository + "blobs"));
    fs::rename(cache.path(snapshot + name), cache.path(repository + blob));
    const std::string up = name.find('/') == std::string::npos ? "../../" : "../../../";
    fs::create_symlink(up + blob, cache.path(snapshot + name));
  }
  const ModelFiles files = find_in(cache, "org/name");
  EXPECT_EQ(files.revision, kCommit);
  EXPECT_EQ(files.files.back().size_bytes, 8u);
  fs::remove(cache.path(repository + "blobs/0"));
  const Caught error = find_error(cache, "org/name");
  EXPECT_TRUE(error.says("missing config.json")) << error.message;
  EXPECT_TRUE(error.says("complete the download")) << error.message;
}

TEST(FindModel, SaysWhereItLookedInTheCache) {
  const TemporaryFolder cache;
  const std::string repository = write_cache(cache);
  const Caught none = find_error(cache, "org/other");
  EXPECT_EQ(none.code, ErrorCode::not_found);
  EXPECT_TRUE(none.says(cache.path("models--org--other"))) << none.message;
  const Caught revision = find_error(cache, "org/name@v2");
  EXPECT_EQ(revision.code, ErrorCode::not_found);
  EXPECT_TRUE(revision.says(cache.path(repository + "refs/v2"))) << revision.message;
  // Only a full commit names a snapshot, as in the hub's own client.
  EXPECT_EQ(find_error(cache, "org/name@5617a9f").code, ErrorCode::not_found);
  cache.write(repository + "refs/bad", "../../../../etc");
  EXPECT_EQ(find_error(cache, "org/name@bad").code, ErrorCode::corrupt);
  cache.write(repository + "refs/gone", "0000000000000000000000000000000000000000");
  EXPECT_EQ(find_error(cache, "org/name@gone").code, ErrorCode::not_found);
  EXPECT_TRUE(caught([] { find_model("org/name", {}); }).says("none of HF_HUB_CACHE"));
}

TEST(FindModel, OfBgeM3ThePinnedCommitWhereTheCacheKnowsNoMain) {
  const TemporaryFolder cache;
  const std::string repository = "models--BAAI--bge-m3/";
  const std::string pinned = pinned_revision("BAAI/bge-m3");
  EXPECT_EQ(pinned, kCommit);
  EXPECT_EQ(pinned_revision("org/name"), "main");
  write_model(cache, repository + "snapshots/" + pinned + "/");
  EXPECT_EQ(find_in(cache, "BAAI/bge-m3").revision, pinned);
  EXPECT_EQ(find_error(cache, "BAAI/bge-m3@main").code, ErrorCode::not_found);
  // What the cache calls main wins.
  const std::string other = "0000000000000000000000000000000000000002";
  write_model(cache, repository + "snapshots/" + other + "/");
  cache.write(repository + "refs/main", other);
  EXPECT_EQ(find_in(cache, "BAAI/bge-m3").revision, other);
}

TEST(FindModel, NamesTheCommandThatDownloads) {
  const TemporaryFolder cache;
  write_cache(cache);
  EXPECT_TRUE(find_error(cache, "org/other").says("bgem3 pull org/other"));
  EXPECT_TRUE(find_error(cache, "org/name@v2").says("bgem3 pull org/name@v2"));
}

TEST(RepositoryNames, ParseAndBecomeFolders) {
  const auto named = parse_repository_name("BAAI/bge-m3@refs/pr/130");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->repository, "BAAI/bge-m3");
  EXPECT_EQ(named->revision, "refs/pr/130");
  EXPECT_EQ(parse_repository_name("name")->revision, "");
  for (const char* wrong : {"", "a/b/c", "org/name@", "org/name@../x", "/org", "./x", "org/na me"}) {
    EXPECT_FALSE(parse_repository_name(wrong)) << wrong;
  }
  EXPECT_EQ(repository_folder_name("BAAI/bge-m3"), "models--BAAI--bge-m3");
  EXPECT_EQ(repository_folder_name("gpt2"), "models--gpt2");
  EXPECT_TRUE(is_full_commit(kCommit));
  EXPECT_FALSE(is_full_commit("5617a9f"));
  EXPECT_FALSE(is_full_commit("5617A9F61B028005A4858FDAC845DB406AEFB181"));
}

TEST(FindModel, RefusesNamesThatAreNone) {
  const TemporaryFolder cache;
  write_cache(cache);
  for (const std::string name : {"", "a/b/c", "org/../name", "org/name@", "org/name@../x", "org/name@/etc", "org/na me",
                                 "org/", "/name", "org/name@a b", "org--x/name", "-org/name", "org/name."}) {
    const Caught error = find_error(cache, name);
    EXPECT_TRUE(error.thrown) << name;
    EXPECT_TRUE(error.code == ErrorCode::invalid_input || name.starts_with("/")) << name << error.message;
  }
  EXPECT_EQ(find_error(cache, "../nowhere/at-all").code, ErrorCode::not_found);
  EXPECT_EQ(find_error(cache, "/nowhere/at-all").code, ErrorCode::not_found);
  EXPECT_TRUE(find_error(cache, std::string("org\0name", 8)).says("zero byte"));
  const std::string file = cache.path("models--org--name/refs/main");
  EXPECT_TRUE(find_error(cache, file).says("expected a folder, found a file"));
}

}  // namespace
}  // namespace bgem3
