#include "arguments.h"

#include <gtest/gtest.h>

#include <vector>

#include "bgem3/version.h"
#include "failure.h"
#include "test_folder.h"

namespace bgem3::cli {
namespace {

Arguments parse(std::vector<const char*> words, bool terminal = false) {
  words.insert(words.begin(), "bgem3");
  return parse_arguments(static_cast<int>(words.size()), words.data(), terminal);
}

std::string usage_error(std::vector<const char*> words) {
  const std::string message = message_of<UsageError>([&] { parse(words); });
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_NE(message, "(no error was thrown)");
  return message;
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

TEST(Arguments, EmbedDefaults) {
  const auto args = std::get<EmbedArguments>(parse({"embed"}));
  EXPECT_TRUE(args.input.files.empty());
  EXPECT_EQ(args.input.format, InputFormat::detect);
  EXPECT_EQ(args.input.text_field, "text");
  EXPECT_EQ(args.input.id_field, "id");
  EXPECT_EQ(args.open.model, "BAAI/bge-m3");
  EXPECT_EQ(args.open.isa, "auto");
  EXPECT_EQ(args.open.threads, 0);
  EXPECT_EQ(args.embed.max_tokens, 0u);
  EXPECT_FALSE(args.embed.pooling);
  EXPECT_FALSE(args.embed.normalize);
  EXPECT_EQ(args.embed.invalid_utf8, InvalidUtf8::error);
  EXPECT_EQ(args.embed.special_tokens_in_text, SpecialTokensInText::match);
  EXPECT_EQ(args.on_error, OnError::fail);
  EXPECT_FALSE(args.overwrite || args.quiet);
}

TEST(Arguments, MaxMemory) {
  const auto bytes = [](const char* given) {
    return std::get<EmbedArguments>(parse({"embed", "a.txt", "--max-memory", given})).open.max_memory_bytes;
  };
  EXPECT_EQ(bytes("1.5G"), size_t{3} << 29);
  EXPECT_EQ(bytes("800MiB"), size_t{800} << 20);
  EXPECT_EQ(bytes("800M"), size_t{800} << 20);
  EXPECT_EQ(bytes("3K"), 3072u);
  EXPECT_EQ(bytes("1000000"), 1000000u);
  EXPECT_EQ(bytes("1000000B"), 1000000u);
  for (const char* wrong : {"", "G", "1.5 G", "0", "-1G", "1.5.1G", "1T", "1GB", "1e9", ".", "99999999999G", "0x10"}) {
    EXPECT_TRUE(contains(usage_error({"embed", "a.txt", "--max-memory", wrong}), "--max-memory")) << wrong;
  }
  EXPECT_EQ(std::get<InfoArguments>(parse({"info", "--max-memory", "1G"})).open.max_memory_bytes, size_t{1} << 30);
}

TEST(Arguments, EmbedEverything) {
  const auto args = std::get<EmbedArguments>(parse({"embed",
                                                    "a.txt",
                                                    "-",
                                                    "--model",
                                                    "m",
                                                    "--input-format",
                                                    "jsonl",
                                                    "--text-field",
                                                    "t",
                                                    "--id-field",
                                                    "i",
                                                    "-o",
                                                    "x.npy",
                                                    "--max-length",
                                                    "64",
                                                    "--pooling",
                                                    "mean",
                                                    "--no-normalize",
                                                    "--prompt",
                                                    "query: ",
                                                    "--truncate-dim",
                                                    "8",
                                                    "--threads",
                                                    "3",
                                                    "--isa",
                                                    "avx2",
                                                    "--on-error",
                                                    "skip",
                                                    "--invalid-utf8",
                                                    "replace",
                                                    "--special-tokens-in-text",
                                                    "escape",
                                                    "--quiet",
                                                    "--overwrite",
                                                    "--dtype",
                                                    "bfloat16",
                                                    "--no-packed-cache",
                                                    "--cache-dir",
                                                    "packed"}));
  EXPECT_EQ(args.input.files, (std::vector<std::string>{"a.txt", "-"}));
  EXPECT_EQ(args.input.format, InputFormat::jsonl);
  EXPECT_EQ(args.input.text_field, "t");
  EXPECT_EQ(args.input.id_field, "i");
  EXPECT_EQ(args.open.model, "m");
  EXPECT_EQ(args.output, "x.npy");
  EXPECT_EQ(args.embed.max_tokens, 64u);
  EXPECT_EQ(args.embed.pooling, Pooling::mean);
  EXPECT_EQ(args.embed.normalize, false);
  EXPECT_EQ(args.embed.prompt, "query: ");
  EXPECT_EQ(args.embed.truncate_dim, 8u);
  EXPECT_EQ(args.open.threads, 3);
  EXPECT_EQ(args.open.isa, "avx2");
  EXPECT_EQ(args.open.dtype, "bf16");
  EXPECT_FALSE(args.open.packed_cache);
  EXPECT_EQ(args.open.cache_dir, "packed");
  EXPECT_EQ(args.on_error, OnError::skip);
  EXPECT_EQ(args.embed.invalid_utf8, InvalidUtf8::replace);
  EXPECT_EQ(args.embed.special_tokens_in_text, SpecialTokensInText::escape);
  EXPECT_TRUE(args.quiet && args.overwrite);
  EXPECT_EQ(std::get<EmbedArguments>(parse({"embed", "--normalize"})).embed.normalize, true);
}

TEST(Arguments, OutputsAreAList) {
  const auto outputs = [](const char* list) {
    return std::get<EmbedArguments>(parse({"embed", "--outputs", list})).embed.outputs;
  };
  EXPECT_EQ(std::get<EmbedArguments>(parse({"embed"})).embed.outputs, Outputs());
  EXPECT_EQ(outputs("dense"), Outputs());
  EXPECT_EQ(outputs("sparse"), (Outputs{.dense = false, .sparse = true}));
  EXPECT_EQ(outputs("multi,dense,sparse"), (Outputs{.sparse = true, .multi = true}));
  for (const char* wrong : {"", "colbert", "dense,", ",dense", "dense sparse", "dense,,multi"}) {
    EXPECT_THROW(outputs(wrong), UsageError) << wrong;
  }
  EXPECT_THROW(parse({"embed", "--outputs", "sparse", "--truncate-dim", "8"}), UsageError);
  EXPECT_THROW(parse({"embed", "--outputs", "sparse", "--normalize"}), UsageError);
  EXPECT_THROW(parse({"embed", "--outputs", "multi", "--pooling", "cls"}), UsageError);
  EXPECT_NO_THROW(parse({"embed", "--outputs", "multi", "--truncate-dim", "8"}));
  EXPECT_EQ(std::get<EmbedArguments>(parse({"embed", "--outputs", "multi", "--precision", "int8"})).precision,
            Precision::int8);
  EXPECT_THROW(parse({"embed", "--outputs", "sparse", "--precision", "int8"}), UsageError);
}

TEST(Arguments, SearchTakesSeveralQueriesAndOneCorpus) {
  const auto args = std::get<SearchArguments>(
      parse({"search", "--query", "one", "corpus.txt", "--query", "-5 degrees", "--top", "3", "--json", "--embeddings",
             "v.npy", "--query-prompt", "q: ", "--passage-prompt", "p: "}));
  EXPECT_EQ(args.queries, (std::vector<std::string>{"one", "-5 degrees"}));
  EXPECT_EQ(args.input.files, std::vector<std::string>{"corpus.txt"});
  EXPECT_EQ(args.top, 3u);
  EXPECT_TRUE(args.json);
  EXPECT_EQ(args.embeddings, "v.npy");
  EXPECT_EQ(args.query_prompt, "q: ");
  EXPECT_EQ(args.passage_prompt, "p: ");
  usage_error({"search", "corpus.txt"});
  usage_error({"search", "one.txt", "two.txt", "--query", "q"});
}

TEST(Arguments, SearchComputesWhatItsModeNeeds) {
  const auto rule = [](std::vector<const char*> more) {
    std::vector<const char*> all = {"search", "--query", "q"};
    all.insert(all.end(), more.begin(), more.end());
    return std::get<SearchArguments>(parse(all)).rule;
  };
  EXPECT_EQ(rule({}).mode, SearchMode::dense);
  EXPECT_EQ(rule({}).outputs(), Outputs());
  EXPECT_EQ(rule({"--mode", "sparse"}).outputs(), (Outputs{.dense = false, .sparse = true}));
  EXPECT_EQ(rule({"--mode", "multi"}).outputs(), (Outputs{.dense = false, .multi = true}));
  EXPECT_EQ(rule({"--mode", "hybrid"}).outputs(), (Outputs{.dense = true, .sparse = true, .multi = true}));
  const ScoreRule weighted = rule({"--mode", "hybrid", "--weights", "1,0.25,0"});
  EXPECT_EQ(weighted.outputs(), (Outputs{.dense = true, .sparse = true}));
  EXPECT_EQ(weighted.weights.dense, 1);
  EXPECT_EQ(weighted.weights.sparse, 0.25);
  EXPECT_EQ(weighted.weights.colbert, 0);
  for (const char* bad : {"", "1", "1,1", "1,1,1,1", "1,,1", "1,1,", "1,1,x", "1,1,1x", "0,0,0", "-1,1,1", "nan,1,1",
                          "1,inf,1", "1 1 1", "1,1,1e99"}) {
    EXPECT_TRUE(contains(usage_error({"search", "--query", "q", "--mode", "hybrid", "--weights", bad}), "--weights: "))
        << bad;
  }
  EXPECT_TRUE(
      contains(usage_error({"search", "--query", "q", "--weights", "1,1,1"}), "--weights is for --mode hybrid"));
  EXPECT_TRUE(contains(usage_error({"search", "--query", "q", "--mode", "colbert"}), "dense|sparse|multi|hybrid"));
  EXPECT_TRUE(contains(usage_error({"search", "--query", "q", "--mode", "sparse", "--truncate-dim", "8"}),
                       "--truncate-dim is for dense or multi output, which --mode"));
  usage_error({"search", "--query", "q", "--mode", "multi", "--pooling", "cls"});
}

TEST(Arguments, TokenizeAndInfo) {
  const auto tokenize = std::get<TokenizeArguments>(parse({"tokenize", "-", "--max-length", "9"}));
  EXPECT_EQ(tokenize.max_tokens, 9u);
  EXPECT_EQ(tokenize.model, "BAAI/bge-m3");
  const auto info = std::get<InfoArguments>(parse({"info", "--json", "--model", "m"}));
  EXPECT_TRUE(info.json);
  EXPECT_EQ(info.open.model, "m");
}

TEST(Arguments, ChunkSizesFollowTheMaximum) {
  const auto sizes = [](std::vector<const char*> words) {
    words.insert(words.begin(), {"chunk", "a.md"});
    const ChunkingConfig config = std::get<ChunkArguments>(parse(words)).config;
    return std::vector<size_t>{config.min_chunk_size, config.target_chunk_size, config.max_chunk_size, config.overlap};
  };
  EXPECT_EQ(sizes({}), (std::vector<size_t>{50, 400, 512, 0}));
  EXPECT_EQ(sizes({"--max", "256"}), (std::vector<size_t>{25, 200, 256, 0}));
  EXPECT_EQ(sizes({"--max", "256", "--target", "250", "--min", "0", "--overlap", "9"}),
            (std::vector<size_t>{0, 250, 256, 9}));
}

TEST(Arguments, ChunkInCharactersNeedsNoModel) {
  const auto args = std::get<ChunkArguments>(parse({"chunk", "-"}));
  EXPECT_EQ(args.config.unit, "tokens");
  EXPECT_EQ(args.config.model_name, "BAAI/bge-m3");
  EXPECT_EQ(args.input.plain, InputFormat::document);
  EXPECT_TRUE(args.count_tokens);
  EXPECT_FALSE(std::get<ChunkArguments>(parse({"chunk", "-", "--unit", "characters"})).count_tokens);
  EXPECT_TRUE(std::get<ChunkArguments>(parse({"chunk", "-", "--unit", "characters", "--model", "m"})).count_tokens);
}

TEST(Arguments, EmbedInChunks) {
  const auto args = std::get<EmbedArguments>(parse({"embed", "-", "--chunk", "256"}));
  ASSERT_TRUE(args.chunking);
  EXPECT_EQ(args.chunking->max_chunk_size, 256u);
  EXPECT_EQ(args.chunking->target_chunk_size, 200u);
  EXPECT_EQ(args.chunking->min_chunk_size, 25u);
  EXPECT_EQ(args.input.plain, InputFormat::document);
  const auto plain = std::get<EmbedArguments>(parse({"embed", "-"}));
  EXPECT_FALSE(plain.chunking);
  EXPECT_EQ(plain.input.plain, InputFormat::lines);
  EXPECT_TRUE(contains(usage_error({"embed", "--chunk", "9", "--invalid-utf8", "replace"}), "exclude each other"));
}

TEST(Arguments, History) {
  const auto history = std::get<HistoryArguments>(parse({"history", "calls.db", "--last", "5", "--plot", "a.svg"}));
  EXPECT_EQ(history.file, "calls.db");
  EXPECT_EQ(history.last, 5u);
  EXPECT_EQ(history.plot, "a.svg");
  EXPECT_EQ(std::get<HistoryArguments>(parse({"history", "calls.db"})).last, SIZE_MAX);
  usage_error({"history"});
  usage_error({"history", "calls.db", "--json", "--plot", "a.svg"});
}

TEST(Arguments, Pull) {
  auto args = std::get<PullArguments>(parse({"pull"}));
  EXPECT_EQ(args.model, "BAAI/bge-m3");
  EXPECT_FALSE(args.latest || args.check || args.json || args.quiet);
  args = std::get<PullArguments>(parse({"pull", "org/name@v1", "--json", "-q"}));
  EXPECT_EQ(args.model, "org/name@v1");
  EXPECT_TRUE(args.json && args.quiet);
  EXPECT_TRUE(std::get<PullArguments>(parse({"pull", "--latest"})).latest);
  EXPECT_TRUE(std::get<PullArguments>(parse({"pull", "--check"})).check);
  EXPECT_TRUE(contains(usage_error({"pull", "--check", "--latest"}), "exclude each other"));
  EXPECT_TRUE(std::get<EmbedArguments>(parse({"embed", "a", "--pull"})).pull);
  EXPECT_TRUE(std::get<SearchArguments>(parse({"search", "a", "--query", "q", "--pull"})).pull);
  EXPECT_FALSE(std::get<EmbedArguments>(parse({"embed", "a"})).pull);
}

TEST(Arguments, Verify) {
  const auto plain = std::get<VerifyArguments>(parse({"verify"}));
  EXPECT_EQ(plain.open.model, "BAAI/bge-m3");
  EXPECT_TRUE(plain.dtypes.empty());
  EXPECT_FALSE(plain.published || plain.json || plain.verbose);
  const auto args = std::get<VerifyArguments>(parse({"verify", "./m", "--dtype", "f32,int8", "--against", "f.json",
                                                     "--published", "--json", "--isa", "avx2", "--cache-dir", "c"}));
  EXPECT_EQ(args.open.model, "./m");
  EXPECT_EQ(args.dtypes, (std::vector<std::string>{"f32", "int8"}));
  EXPECT_EQ(args.against, "f.json");
  EXPECT_EQ(args.record, "");
  EXPECT_EQ(args.open.isa, "avx2");
  EXPECT_EQ(args.open.cache_dir, "c");
  EXPECT_TRUE(args.published && args.json);
  EXPECT_TRUE(contains(usage_error({"verify", "--record", "a", "--against", "b"}), "--against"));
  EXPECT_TRUE(contains(usage_error({"verify", "--record", "-"}), "--record"));
  EXPECT_EQ(std::get<VerifyArguments>(parse({"verify", "--model", "./m"})).open.model, "./m");
  usage_error({"verify", "one", "two"});
}

TEST(Arguments, Cache) {
  EXPECT_FALSE(std::get<CacheListArguments>(parse({"cache", "list"})).cache.every_byte);
  const auto list = std::get<CacheListArguments>(parse({"cache", "list", "--check", "--json", "--cache-dir", "c"}));
  EXPECT_TRUE(list.cache.every_byte && list.json);
  EXPECT_EQ(list.cache.cache_dir, "c");
  const auto clean = std::get<CacheCleanArguments>(parse({"cache", "clean", "--all", "--dry-run"}));
  EXPECT_TRUE(clean.clean.all && clean.clean.dry_run);
  EXPECT_FALSE(clean.json);
  EXPECT_FALSE(std::get<CacheCleanArguments>(parse({"cache", "clean"})).clean.all);
  usage_error({"cache"});
  usage_error({"cache", "empty"});
  usage_error({"cache", "list", "--all"});
}

TEST(Arguments, ErrorsNameTheOptionAndWhatItTakes) {
  EXPECT_EQ(usage_error({"embed", "--pooling", "max"}), "--pooling: expected one of cls|mean, found 'max'");
  EXPECT_EQ(usage_error({"embed", "--on-error", "x"}), "--on-error: expected one of fail|skip, found 'x'");
  EXPECT_TRUE(contains(usage_error({"embed", "--input-format", "csv"}), "lines|jsonl|document|auto"));
  EXPECT_TRUE(contains(usage_error({"embed", "--invalid-utf8", "x"}), "error|replace"));
  EXPECT_TRUE(contains(usage_error({"embed", "--special-tokens-in-text", "x"}), "match|escape"));
  EXPECT_EQ(usage_error({"embed", "--dtype", "f8"}),
            "--dtype: expected one of f32|float32|bf16|bfloat16|int8, found 'f8'");
  EXPECT_TRUE(contains(usage_error({"frobnicate"}), "unknown command 'frobnicate'; expected one of embed, tokenize"));
  EXPECT_TRUE(contains(usage_error({"embed", "--frobnicate"}), "--frobnicate"));
  for (const char* bad : {"0", "-1", "1.5", "x", "99999999999999999999"}) {
    EXPECT_TRUE(contains(usage_error({"embed", "--threads", bad}), "--threads")) << bad;
    EXPECT_TRUE(contains(usage_error({"embed", "--max-length", bad}), "--max-length")) << bad;
    EXPECT_TRUE(contains(usage_error({"embed", "--truncate-dim", bad}), "--truncate-dim")) << bad;
    EXPECT_TRUE(contains(usage_error({"embed", "--chunk", bad}), "--chunk")) << bad;
    EXPECT_TRUE(contains(usage_error({"chunk", "--max", bad}), "--max")) << bad;
    EXPECT_TRUE(contains(usage_error({"chunk", "--target", bad}), "--target")) << bad;
    EXPECT_TRUE(contains(usage_error({"search", "--query", "q", "--top", bad}), "--top")) << bad;
  }
  usage_error({"embed", "--prompt", "a", "--prompt-name", "b"});
  usage_error({"embed", "--normalize", "--no-normalize"});
  usage_error({"embed", "--model"});
  EXPECT_EQ(usage_error({"completion", "csh"}), "SHELL: expected one of bash|zsh|fish, found 'csh'");
  EXPECT_TRUE(contains(usage_error({"completion"}), "SHELL is required"));
  usage_error({});
}

TEST(Arguments, HelpBeginsWithExamples) {
  for (const char* command :
       {"embed", "tokenize", "chunk", "info", "search", "pull", "history", "verify", "cache", "completion", "manual"}) {
    const std::string help = std::get<ShowText>(parse({command, "--help"})).text;
    EXPECT_LT(help.find("Examples:"), help.find("Usage:")) << command;
    EXPECT_LT(help.find("Usage:"), help.find("Options:")) << command;
    EXPECT_TRUE(contains(help, ("  bgem3 " + std::string(command)).c_str())) << command;
  }
  const std::string help = std::get<ShowText>(parse({"-h"})).text;
  EXPECT_LT(help.find("Examples:"), help.find("Usage:"));
  EXPECT_TRUE(contains(help, "Exit codes:"));
  EXPECT_EQ(std::get<ShowText>(parse({"--version"})).text, "bgem3 " BGEM3_VERSION "\n");
}

TEST(Arguments, ATerminalIsNotReadWithoutBeingAsked) {
  EXPECT_TRUE(contains(std::get<ShowText>(parse({}, true)).text, "Subcommands:"));
  EXPECT_TRUE(contains(std::get<ShowText>(parse({"embed"}, true)).text, "Usage: bgem3 embed"));
  EXPECT_TRUE(contains(std::get<ShowText>(parse({"tokenize"}, true)).text, "Usage: bgem3 tokenize"));
  EXPECT_TRUE(contains(std::get<ShowText>(parse({"chunk"}, true)).text, "Usage: bgem3 chunk"));
  EXPECT_TRUE(contains(std::get<ShowText>(parse({"search", "--query", "q"}, true)).text, "Usage: bgem3 search"));
  EXPECT_TRUE(std::holds_alternative<EmbedArguments>(parse({"embed", "-"}, true)));
  EXPECT_TRUE(std::holds_alternative<EmbedArguments>(parse({"embed"}, false)));
}

}  // namespace
}  // namespace bgem3::cli
