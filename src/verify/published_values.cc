// Sources: FlagEmbedding's README and tutorials; the sparse maps of allen2c/bge-m3-lite (FlagEmbedding, float32, CPU);
// the tests of Anush008/fastembed-rs; the documentation of Milvus.
#include "verify/published_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "bgem3/scoring.h"
#include "model/messages.h"

namespace bgem3 {
namespace {

enum Text : size_t {
  kQ0,
  kQ1,
  kP0,
  kP1,
  kZh,
  kKo,
  kFastLicence,
  kFastHero,
  kAi,
  kTuring,
  kBorn,
  kWhen,
  kWhere,
  kEmpty
};

constexpr const char* kTutorial = "FlagEmbedding, float32";
constexpr const char* kHalf = "FlagEmbedding, float16";
constexpr const char* kFastembed = "fastembed-rs";
constexpr const char* kMilvus = "Milvus";

// What the sources print, or are compared at by their own tests.
constexpr double kFloat32 = 1e-5;
constexpr double kFloat16 = 1e-3;
constexpr double kOtherEngine = 1e-4;

struct Weight {
  uint32_t id;
  double value;
};

class Builder {
 public:
  std::vector<PublishedValue> values;

  void pair(Quantity quantity, size_t a, size_t b, double value, double tolerance, const char* source,
            bool first_weighting = true) {
    values.push_back({quantity, a, b, 0, first_weighting, value, tolerance, source});
  }
  void sparse(size_t text, double tolerance, const char* source, const std::vector<Weight>& weights) {
    for (const Weight& weight : weights) {
      values.push_back({Quantity::weight, text, text, weight.id, true, weight.value, tolerance, source});
    }
    values.push_back({Quantity::other_weights, text, text, 0, true, 0, tolerance, source});
  }
  // The first and the last three.
  void components(size_t text, const std::array<double, 6>& six) {
    for (size_t i = 0; i < six.size(); i++) {
      const auto index = static_cast<uint32_t>(i < 3 ? i : 1024 - 6 + i);
      values.push_back({Quantity::component, text, text, index, true, six[i], kOtherEngine, kMilvus});
    }
  }
};

std::vector<PublishedValue> build() {
  Builder all;
  constexpr std::pair<size_t, size_t> kPairs[] = {{kQ0, kP0}, {kQ0, kP1}, {kQ1, kP0}, {kQ1, kP1}};
  const auto four = [&](Quantity quantity, const std::array<double, 4>& four_values, double tolerance,
                        const char* source, bool first_weighting = true) {
    for (size_t i = 0; i < 4; i++) {
      all.pair(quantity, kPairs[i].first, kPairs[i].second, four_values[i], tolerance, source, first_weighting);
    }
  };
  four(Quantity::similarity, {0.6259035, 0.34749585, 0.349868, 0.6782462}, kFloat32, kTutorial);
  four(Quantity::similarity, {0.6265, 0.3477, 0.3499, 0.678}, kFloat16, kHalf);
  all.sparse(kQ0, kFloat32, kTutorial,
             {{4865, .08362077921628952},
              {83, .08146960288286209},
              {335, .12964636087417603},
              {11679, .25186991691589355},
              {276, .17001725733280182},
              {363, .2695789337158203},
              {32, .04075505584478378}});
  all.sparse(kQ1, kFloat32, kTutorial,
             {{262, .050144322},
              {5983, .13689369},
              {2320, .045134712},
              {111, .06342201},
              {90017, .25167602},
              {2588, .33353207}});
  all.sparse(kP0, kFloat32, kTutorial,
             {{335, .1409415900707245},    {11679, .2586537301540375},  {276, .17205125093460083},
              {363, .26893457770347595},   {83, .12733829021453857},    {142, .07353945076465607},
              {55720, .2141493856906891},  {59725, .1670493185520172},  {3299, .2549949586391449},
              {8060, .19095265865325928},  {214, .0827629342675209},    {168, .1812191754579544},
              {184, .12127389013767242},   {456, .05708066001534462},   {97351, .15733711421489716},
              {1405, .06340542435646057},  {75675, .15143121778964996}, {21533, .10568178445100784},
              {14858, .15083131194114685}, {136, .015894487500190735},  {6024, .08422461152076721},
              {272, .14546239376068115},   {18770, .1401771903038025},  {182809, .15259897708892822}});
  all.sparse(kZh, kFloat32, kTutorial,
             {{74086, .23544490337371826},
              {14492, .24245183169841766},
              {1109, .12626290321350098},
              {68414, .285733699798584},
              {136556, .10373690724372864},
              {175600, .22231078147888184},
              {32, .03708018362522125}});
  all.sparse(kKo, kFloat32, kTutorial,
             {{193751, .23070020973682404},
              {27940, .22848999500274658},
              {61817, .22231356799602509},
              {32374, .15400585532188416},
              {201539, .2535812258720398},
              {3665, .18721210956573486},
              {8642, .1403643786907196},
              {5, .03171993046998978}});
  all.sparse(kEmpty, 0, kTutorial, {});
  all.sparse(kFastLicence, kOtherEngine, kFastembed,
             {{4271, .17456965},
              {195, .16260204},
              {13482, .28582922},
              {9, .04153823},
              {4295, .24856839},
              {83, .07778944},
              {86872, .17708361},
              {71, .08359783},
              {1379, .10846229},
              {9795, .1580239},
              {1430, .15291117},
              {16655, .223301}});
  all.sparse(kFastHero, kOtherEngine, kFastembed,
             {{183497, .32012847},
              {83, .19853045},
              {70, .16743071},
              {2965, .24451455},
              {1601, .17550871},
              {90865, .25476876},
              {111, .11962792},
              {756, .13541803},
              {1733, .18622744}});
  all.pair(Quantity::lexical, kQ0, kP0, 0.19554448500275612, 1e-6, kTutorial);
  all.pair(Quantity::lexical, kQ0, kP1, 0.00880391988903284, 1e-6, kTutorial);
  all.pair(Quantity::lexical, kQ0, kQ1, 0.0, 1e-6, kTutorial);
  all.pair(Quantity::colbert, kQ0, kP0, 0.7796662449836731, kFloat32, kTutorial);
  all.pair(Quantity::colbert, kQ0, kP1, 0.4621177911758423, kFloat32, kTutorial);
  four(Quantity::colbert, {.77965, .46215, .45238, .78986}, kFloat16, kHalf);
  four(Quantity::lexical, {.19556, .00880, 0, .18030}, kFloat16, kHalf);
  four(Quantity::similarity, {.62598, .34741, .34985, .67822}, kFloat16, kHalf);
  four(Quantity::sparse_dense, {.48250, .23454, .23324, .51225}, kFloat16, kHalf);
  four(Quantity::all_three, {.60136, .32558, .32089, .62329}, kFloat16, kHalf);
  four(Quantity::colbert, {.77983, .46214, .45244, .78993}, kFloat16, kHalf);
  four(Quantity::all_three, {.63673, .35323, .34872, .66186}, kFloat16, kHalf, false);
  all.components(kAi, {-0.02505937, -0.00142193, 0.04015467, -0.02094924, 0.02623661, 0.00324098});
  all.components(kTuring, {0.00118463, 0.00649292, -0.00735763, -0.01446293, 0.04243685, -0.01794822});
  all.components(kBorn, {0.00415287, -0.0101492, 0.0009811, -0.02559666, 0.08084674, 0.00141647});
  all.components(kWhen, {-0.02024024, -0.01514386, 0.02380808, 0.00234648, -0.00264978, -0.04317448});
  all.components(kWhere, {0.00648045, -0.0081542, -0.02717067, -0.00380103, 0.04200587, -0.01274772});
  all.pair(Quantity::weights, kAi, kBorn, 43, 0, kMilvus);
  all.pair(Quantity::weights, kWhen, kWhere, 14, 0, kMilvus);
  return std::move(all.values);
}

std::string name_of(const PublishedValue& value) {
  const auto text = [](size_t index) { return quote(published_texts()[index]); };
  const auto pair = [&](const char* what) {
    return fmt::format("{} of {} and {}", what, text(value.a), text(value.b));
  };
  switch (value.quantity) {
    case Quantity::similarity:
      return pair("dense similarity");
    case Quantity::component:
      return fmt::format("dense component {} of {}", value.index, text(value.a));
    case Quantity::weight:
      return fmt::format("sparse weight of token {} in {}", value.index, text(value.a));
    case Quantity::other_weights:
      return fmt::format("largest sparse weight of other tokens in {}", text(value.a));
    case Quantity::weights:
      return pair("number of sparse weights");
    case Quantity::lexical:
      return pair("lexical matching score");
    case Quantity::colbert:
      return pair("colbert score");
    case Quantity::sparse_dense:
      return pair("sparse+dense, weights 0.4, 0.2, 0.4,");
    case Quantity::all_three:
      return pair(value.first_weighting ? "colbert+sparse+dense, weights 0.4, 0.2, 0.4,"
                                        : "colbert+sparse+dense, weights 1, 0.3, 1,");
  }
  return {};
}

// Whether the list has a value for this token.
bool has_weight(size_t text, uint32_t id) {
  const auto& all = published_values();
  return std::any_of(all.begin(), all.end(), [&](const PublishedValue& value) {
    return value.quantity == Quantity::weight && value.a == text && value.index == id;
  });
}

class Measure {
 public:
  explicit Measure(const EmbedResult& outputs) : outputs_(outputs) {}

  double of(const PublishedValue& value) const {
    const Embedding &a = outputs_[value.a], &b = outputs_[value.b];
    for (size_t text = value.a; text <= value.b; text++) {
      if (outputs_[text].error) return std::numeric_limits<double>::quiet_NaN();
    }
    if (b.error) return std::numeric_limits<double>::quiet_NaN();
    switch (value.quantity) {
      case Quantity::similarity:
        return similarity(a, b);
      case Quantity::component:
        return value.index < a.dense.size() ? static_cast<double>(a.dense[value.index])
                                            : std::numeric_limits<double>::quiet_NaN();
      case Quantity::weight:
        return weight(a, value.index);
      case Quantity::other_weights:
        return other_weights(value.a);
      case Quantity::weights: {
        size_t count = 0;
        for (size_t text = value.a; text <= value.b; text++) count += outputs_[text].sparse_ids.size();
        return static_cast<double>(count);
      }
      case Quantity::lexical:
        return static_cast<double>(lexical(a, b));
      case Quantity::colbert:
        return static_cast<double>(colbert(a, b));
      case Quantity::sparse_dense:
        return static_cast<double>(hybrid(value, a, b).sparse_dense);
      case Quantity::all_three:
        return static_cast<double>(hybrid(value, a, b).colbert_sparse_dense);
    }
    return std::numeric_limits<double>::quiet_NaN();
  }

 private:
  static double similarity(const Embedding& a, const Embedding& b) {
    double sum = 0;
    for (size_t i = 0; i < a.dense.size(); i++)
      sum += static_cast<double>(a.dense[i]) * static_cast<double>(b.dense[i]);
    return sum;
  }
  static double weight(const Embedding& text, uint32_t id) {
    const auto found = std::find(text.sparse_ids.begin(), text.sparse_ids.end(), id);
    return found == text.sparse_ids.end()
               ? 0.0
               : static_cast<double>(text.sparse_weights[static_cast<size_t>(found - text.sparse_ids.begin())]);
  }
  double other_weights(size_t text) const {
    float largest = 0;
    const Embedding& embedding = outputs_[text];
    for (size_t i = 0; i < embedding.sparse_ids.size(); i++) {
      if (!has_weight(text, embedding.sparse_ids[i])) largest = std::max(largest, embedding.sparse_weights[i]);
    }
    return static_cast<double>(largest);
  }
  static float lexical(const Embedding& a, const Embedding& b) {
    return lexical_matching_score({a.sparse_ids, a.sparse_weights}, {b.sparse_ids, b.sparse_weights});
  }
  float colbert(const Embedding& a, const Embedding& b) const {
    return max_sim({a.multi, outputs_.dimensions()}, {b.multi, outputs_.dimensions()});
  }
  HybridScores hybrid(const PublishedValue& value, const Embedding& a, const Embedding& b) const {
    const HybridWeights weights = value.first_weighting ? HybridWeights{.dense = 0.4, .sparse = 0.2, .colbert = 0.4}
                                                        : HybridWeights{.dense = 1, .sparse = 0.3, .colbert = 1};
    return hybrid_scores(static_cast<float>(similarity(a, b)), lexical(a, b), colbert(a, b), weights);
  }

  const EmbedResult& outputs_;
};

}  // namespace

const std::vector<std::string>& published_texts() {
  static const std::vector<std::string> texts = {
      "What is BGE M3?",
      "Defination of BM25",
      "BGE M3 is an embedding model supporting dense retrieval, lexical matching and multi-vector interaction.",
      "BM25 is a bag-of-words retrieval function that ranks a set of documents based on the query terms appearing in "
      "each document",
      "機器學習與深度學習有什麼差別？",
      "한국어 문장을 토큰화합니다.",
      "fastembed-rs is licensed under Apache  2.0",
      "Superman is the best superhero of all time",
      "Artificial intelligence was founded as an academic discipline in 1956.",
      "Alan Turing was the first person to conduct substantial research in AI.",
      "Born in Maida Vale, London, Turing was raised in southern England.",
      "When was artificial intelligence founded",
      "Where was Alan Turing born?",
      "",
  };
  return texts;
}

const std::vector<PublishedValue>& published_values() {
  static const std::vector<PublishedValue> values = build();
  return values;
}

std::vector<double> measure_published_values(const EmbedResult& outputs) {
  BGEM3_CHECK(outputs.texts() == published_texts().size());
  std::vector<double> found;
  for (const PublishedValue& value : published_values()) found.push_back(Measure(outputs).of(value));
  return found;
}

double tolerance_in(const std::string& dtype, const PublishedValue& value) {
  if (dtype == "f32") return value.tolerance;
  const bool int8 = dtype == "int8";
  switch (value.quantity) {
    case Quantity::weight:
    case Quantity::other_weights:
      return int8 ? 8e-2 : 2e-2;
    case Quantity::weights:
      return int8 ? 3 : 1;
    default:
      return int8 ? 2e-2 : 5e-3;
  }
}

void compare_published_values(std::span<const double> found, const std::string& dtype, Checks& checks) {
  const auto& values = published_values();
  BGEM3_CHECK(found.size() == values.size());
  for (size_t i = 0; i < found.size(); i++) {
    const PublishedValue& value = values[i];
    checks.near(name_of(value), value.value, found[i], tolerance_in(dtype, value)).note = value.source;
  }
}

}  // namespace bgem3
