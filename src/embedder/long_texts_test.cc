// Texts longer than the model's limit: windows, and late chunking over a tiny model on disk.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "embedder/test_embedder.h"
#include "embedder/windows.h"
#include "kernels/ops.h"

namespace bgem3 {
namespace {

using Windows = std::vector<std::pair<size_t, size_t>>;

constexpr size_t kLimit = 64;  // of the test model, two of which are its template

// "a b c ...": a token a letter.
std::string letters(size_t count, size_t first = 0) {
  std::string text;
  for (size_t i = 0; i < count; i++) {
    text += static_cast<char>('a' + (first + i * i) % 26);
    text += ' ';
  }
  return text;
}

std::string part(const std::string& text, size_t first_token, size_t last_token) {
  return text.substr(2 * first_token, 2 * (last_token - first_token));
}

double length_of(std::span<const float> vector) {
  double sum = 0;
  for (const float value : vector) sum += double{value} * double{value};
  return std::sqrt(sum);
}

TEST(Windows, RepeatTheLastEighthAndEndWithTheText) {
  EXPECT_EQ(cut_windows(0, 16), (Windows{{0, 0}}));
  EXPECT_EQ(cut_windows(16, 16), (Windows{{0, 16}}));
  EXPECT_EQ(cut_windows(17, 16), (Windows{{0, 16}, {14, 17}}));
  EXPECT_EQ(cut_windows(44, 16), (Windows{{0, 16}, {14, 30}, {28, 44}}));
  EXPECT_EQ(cut_windows(3, 1), (Windows{{0, 1}, {1, 2}, {2, 3}}));  // nothing to repeat
}

TEST_F(EmbedderTest, ATextThatFitsIsTheSameInWindows) {
  const Embedder embedder = open();
  const std::vector<std::string> texts = {"", letters(5), letters(kLimit - 2), "a \xff", letters(5)};
  const EmbedResult plain = embedder.embed(texts), windows = embedder.embed(texts, {.long_text = LongText::windows});
  for (size_t i = 0; i < texts.size(); i++) {
    EXPECT_EQ(windows[i].error, plain[i].error);
    EXPECT_EQ(windows[i].windows, 1u);
    EXPECT_EQ(windows[i].tokens, plain[i].tokens);
    EXPECT_TRUE(same_bits(windows[i].dense, plain[i].dense) || plain[i].error);
  }
}

TEST_F(EmbedderTest, WindowsAreTheWeightedMeanOfWhatTheirTextsGiveAlone) {
  const Embedder embedder = open();
  const size_t room = kLimit - 2, step = room - room / 8, count = 2 * step + 20;
  const std::string text = letters(count);
  const std::vector<std::string> parts = {part(text, 0, room), part(text, step, step + room),
                                          part(text, 2 * step, count)};
  for (const bool normalize : {true, false}) {
    const EmbedOptions options = {.normalize = normalize, .truncate_dim = 20};
    EmbedOptions windows = options;
    windows.long_text = LongText::windows;
    const EmbedResult apart = embedder.embed(parts, options);
    const EmbedResult result = embedder.embed(std::span(&text, 1), windows);
    EXPECT_EQ(result[0].windows, 3u);
    EXPECT_EQ(result[0].tokens, count + 2);
    EXPECT_FALSE(result[0].truncated);
    std::vector<double> mean(20);
    const size_t tokens[] = {room, room, 20};
    for (size_t window = 0; window < 3; window++) {
      for (size_t i = 0; i < mean.size(); i++) {
        mean[i] += static_cast<double>(tokens[window]) * double{apart[window].dense[i]};
      }
    }
    double length = 0;
    for (double& value : mean) {
      value /= static_cast<double>(2 * room + 20);
      length += value * value;
    }
    for (size_t i = 0; i < mean.size(); i++) {
      EXPECT_NEAR(result[0].dense[i], mean[i] / (normalize ? std::sqrt(length) : 1), 1e-6) << i;
    }
    if (normalize) {
      EXPECT_NEAR(length_of(result[0].dense), 1, 1e-6);
    }
  }
}

TEST_P(EmbedderDtypeTest, WindowsHaveTheSameBitsAloneAndInAnyRequestPassThreadsAndIsa) {
  std::vector<std::string> texts = many_texts(20);
  for (const size_t tokens : {63, 200, 64, 500, 130}) texts.push_back(letters(tokens, tokens));
  const EmbedOptions options = {.long_text = LongText::windows};
  const Embedder reference = open({.dtype = GetParam(), .isa = "scalar", .threads = 1});
  std::vector<EmbedResult> alone;
  for (std::string& text : texts) alone.push_back(reference.embed(std::span(&text, 1), options));
  for (const std::string& isa : present_isas()) {
    for (const size_t pass_tokens : {1, 70, 100000}) {
      const Embedder embedder = open({.dtype = GetParam(), .isa = isa, .threads = 2, .pass_tokens = pass_tokens});
      const EmbedResult result = embedder.embed(texts, options);
      for (size_t i = 0; i < texts.size(); i++) {
        ASSERT_TRUE(same_bits(result[i].dense, alone[i][0].dense)) << isa << " text " << i;
      }
    }
  }
}

TEST_F(EmbedderTest, EveryWindowBeginsWithThePrompt) {
  const Embedder embedder = open();
  const std::string text = letters(90), prompt = "x y z ";
  const size_t room = kLimit - 2 - 3, step = room - room / 8;
  const std::vector<std::string> parts = {part(text, 0, room), part(text, step, 90)};
  const EmbedResult apart = embedder.embed(parts, {.prompt = prompt});
  const EmbedResult result =
      embedder.embed(std::span(&text, 1), {.long_text = LongText::windows, .normalize = false, .prompt = prompt});
  ASSERT_EQ(result[0].windows, 2u);
  const EmbedResult raw = embedder.embed(parts, {.normalize = false, .prompt = prompt});
  const auto weight = [](size_t tokens) { return static_cast<double>(tokens); };
  for (size_t i = 0; i < 32; i++) {
    const double mean = (weight(room) * double{raw[0].dense[i]} + weight(90 - step) * double{raw[1].dense[i]}) /
                        weight(room + 90 - step);
    EXPECT_NEAR(result[0].dense[i], mean, 1e-6);
  }
  const EmbedResult crowded =
      embedder.embed(std::span(&text, 1), {.max_tokens = 5, .long_text = LongText::windows, .prompt = prompt});
  EXPECT_EQ(crowded[0].error, ErrorCode::invalid_input);
  EXPECT_NE(crowded[0].error_message.find("no room"), std::string::npos);
}

TEST_F(EmbedderTest, WindowsTellOfEachTextOnce) {
  const Embedder embedder = open();
  const std::vector<std::string> texts = {letters(300), "a \xff", letters(3), letters(300)};
  std::vector<size_t> told, progress;
  const EmbedResult result =
      embedder.embed(texts, {.long_text = LongText::windows,
                             .on_progress =
                                 [&](size_t done, size_t total) {
                                   progress.push_back(done);
                                   EXPECT_EQ(total, 4u);
                                 },
                             .on_result =
                                 [&](size_t index, const Embedding& embedding) {
                                   told.push_back(index);
                                   EXPECT_TRUE(embedding.error || std::abs(length_of(embedding.dense) - 1) < 1e-6);
                                 }});
  std::ranges::sort(told);
  EXPECT_EQ(told, (std::vector<size_t>{0, 1, 2, 3}));
  EXPECT_TRUE(std::ranges::is_sorted(progress));
  EXPECT_EQ(progress.back(), 4u);
  EXPECT_TRUE(same_bits(result[0].dense, result[3].dense));

  std::stop_source stop;
  stop.request_stop();
  for (const Embedding& embedding : embedder.embed(texts, {.long_text = LongText::windows, .stop = stop.get_token()})) {
    EXPECT_EQ(embedding.error, ErrorCode::cancelled);
  }
}

TEST_F(EmbedderTest, WindowsAreForTheDenseOutput) {
  const Embedder embedder = open();
  const std::vector<std::string> texts = {"a"};
  const std::string error =
      message_of<InvalidInputError>([&] { embedder.embed(texts, {.outputs = kAll, .long_text = LongText::windows}); });
  EXPECT_NE(error.find("long_text"), std::string::npos) << error;
}

TEST_F(EmbedderTest, SpansAreTheMeansOfTheirTokensInTheDocument) {
  const Embedder embedder = open();
  const std::string document = "  a b\tc  d e f ";
  // Without scaling, the mean over all tokens of a text is n + 2 tokens' sum: spans plus the template's rows.
  const std::vector<ByteRange> all = {{0, document.size()}}, halves = {{0, 7}, {7, document.size()}},
                               letters = {{2, 3}, {4, 5}, {6, 7}, {9, 10}, {11, 12}, {13, 14}};
  const EmbedOptions raw = {.normalize = false};
  const EmbedResult whole = embedder.embed_spans(document, all, raw),
                    half = embedder.embed_spans(document, halves, raw),
                    single = embedder.embed_spans(document, letters, raw);
  ASSERT_EQ(whole[0].tokens, 6u);
  for (size_t i = 0; i < 32; i++) {
    double sum = 0;
    for (size_t letter = 0; letter < 6; letter++) sum += double{single[letter].dense[i]};
    EXPECT_NEAR(whole[0].dense[i], sum / 6, 1e-6);
    EXPECT_NEAR(whole[0].dense[i], (double{half[0].dense[i]} + double{half[1].dense[i]}) / 2, 1e-6);
  }
  // The same letter alone has another context.
  EXPECT_FALSE(same_bits(single[0].dense, embedder.embed_spans("a", std::vector<ByteRange>{{0, 1}}, raw)[0].dense));
  for (const Embedding& embedding : embedder.embed_spans(document, letters)) {
    EXPECT_EQ(embedding.tokens, 1u);
    EXPECT_NEAR(length_of(embedding.dense), 1, 1e-6);
  }
}

TEST_F(EmbedderTest, ATokenBelongsToTheSpanOfItsFirstCharacter) {
  const Embedder embedder = open();
  const std::string document = "a bb c";  // bb is [UNK]: one token of two bytes
  const std::vector<ByteRange> spans = {{0, 3}, {3, 4}, {0, 2}, {1, 2}, {2, 6}};
  const EmbedResult result = embedder.embed_spans(document, spans);
  const auto tokens = [&](size_t span) { return result[span].tokens; };
  EXPECT_EQ(tokens(0), 2u);
  EXPECT_EQ(tokens(1), 0u);  // inside of bb
  EXPECT_EQ(tokens(2), 1u);
  EXPECT_EQ(tokens(3), 0u);  // a space
  EXPECT_EQ(tokens(4), 2u);
  for (const size_t span : {1, 3}) {
    EXPECT_EQ(result[span].error, ErrorCode::invalid_input);
    EXPECT_TRUE(std::isnan(result[span].dense[0]));
  }
}

TEST_P(EmbedderDtypeTest, SpansHaveTheSameBitsWhateverIsAskedBesideAndOnAnyThreadsAndIsa) {
  const std::string document = letters(kLimit - 5);
  std::vector<ByteRange> spans;
  for (size_t begin = 0; begin + 9 < document.size(); begin += 7) spans.push_back({begin, begin + 9});
  const Embedder reference = open({.dtype = GetParam(), .isa = "scalar", .threads = 1});
  std::vector<EmbedResult> alone;
  for (const ByteRange& span : spans) alone.push_back(reference.embed_spans(document, std::span(&span, 1)));
  for (const std::string& isa : present_isas()) {
    for (const int threads : {1, 2, 4}) {
      const Embedder embedder = open({.dtype = GetParam(), .isa = isa, .threads = threads});
      const EmbedResult result = embedder.embed_spans(document, spans);
      for (size_t i = 0; i < spans.size(); i++) {
        ASSERT_TRUE(same_bits(result[i].dense, alone[i][0].dense)) << isa << " " << threads << " span " << i;
      }
    }
  }
}

TEST_F(EmbedderTest, ThePromptIsContextAndBelongsToNoSpan) {
  const Embedder embedder = open();
  const std::vector<ByteRange> spans = {{0, 1}, {0, 3}};
  const EmbedResult plain = embedder.embed_spans("a b", spans),
                    prompted = embedder.embed_spans("a b", spans, {.prompt = "x y "}),
                    longer = embedder.embed_spans("x y a b", std::vector<ByteRange>{{4, 5}, {4, 7}});
  EXPECT_EQ(prompted[1].tokens, 2u);
  for (size_t i = 0; i < 2; i++) {
    EXPECT_TRUE(same_bits(prompted[i].dense, longer[i].dense));
    EXPECT_FALSE(same_bits(prompted[i].dense, plain[i].dense));
  }
}

TEST_F(EmbedderTest, BadSpansAndDocumentsAreRefused) {
  const Embedder embedder = open();
  const auto error = [&](const std::string& document, const ByteRange& span, const EmbedOptions& options = {}) {
    return message_of<InvalidInputError>([&] { embedder.embed_spans(document, std::span(&span, 1), options); });
  };
  EXPECT_EQ(error("abc", {1, 4}), "span 0: bytes 1 to 4, expected a part of the document's 3 bytes that is not empty");
  EXPECT_NE(error("abc", {1, 1}).find("span 0"), std::string::npos);
  EXPECT_NE(error("abc", {2, 1}).find("span 0"), std::string::npos);
  EXPECT_NE(error(letters(kLimit - 1), {0, 1}).find("more than 64 tokens"), std::string::npos);
  EXPECT_NE(error("a \xff", {0, 1}).find("byte 2"), std::string::npos);
  EXPECT_NE(error("a", {0, 1}, {.outputs = kAll}).find("outputs"), std::string::npos);
  EXPECT_NE(error("a", {0, 1}, {.pooling = Pooling::cls}).find("pooling"), std::string::npos);
  EXPECT_NE(error("a", {0, 1}, {.long_text = LongText::windows}).find("long_text"), std::string::npos);
  EXPECT_EQ(embedder.embed_spans("a", {}).texts(), 0u);
  const std::vector<ByteRange> bad_bytes = {{2, 3}, {0, 3}};
  const EmbedResult replaced = embedder.embed_spans("a \xf0", bad_bytes, {.invalid_utf8 = InvalidUtf8::replace});
  EXPECT_EQ(replaced[1].tokens, replaced[0].tokens + 1);
}

TEST_F(EmbedderTest, SpansAreCancelledAndTold) {
  const Embedder embedder = open();
  const std::vector<ByteRange> spans = {{0, 1}, {1, 2}, {2, 3}};
  std::stop_source stop;
  std::vector<size_t> told;
  stop.request_stop();
  const EmbedResult result = embedder.embed_spans(
      "a b", spans,
      {.stop = stop.get_token(), .on_result = [&](size_t index, const Embedding&) { told.push_back(index); }});
  EXPECT_EQ(result[0].error, ErrorCode::cancelled);
  EXPECT_EQ(result[1].error, ErrorCode::invalid_input);  // has no tokens, whatever happens
  EXPECT_EQ(told, (std::vector<size_t>{0, 1, 2}));
}

}  // namespace
}  // namespace bgem3
