#include "generator/quality.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <vector>

#include "generator/median.h"

namespace bgem3 {
namespace {

// The specification's bounds. Its bound for the standard deviation is meant for unit vectors of 1,024 components, where
// 0.01 is about a third of what even spread gives (1/sqrt(width)): so for other widths too.
constexpr double kSmallMagnitude = 0.1, kOfSmallMagnitude = 0.3;
constexpr double kSmallDeviation = 0.01, kWidthOfBound = 1024, kOfSmallDeviation = 0.5;
constexpr size_t kShortText = 10, kLongText = 10000;  // characters
constexpr double kOfOddText = 0.9;

constexpr double kUnitTolerance = 1e-3;
// Length of the mean of unit vectors: 1 if all are equal. Above this the mean cosine of two vectors is over 0.999.
constexpr double kNearConstant = 0.9995;
// A vector is far from the centroid if its cosine distance is above the median by this many standard deviations, which
// are estimated from the median deviation, so that outliers do not hide themselves; and by more than rounding.
constexpr double kFarDeviations = 5, kDeviationOfMedian = 1.4826, kSmallestFar = 1e-3;
constexpr size_t kFewest = 10;  // for a statement on a set

struct Moments {
  bool finite = true;
  double mean = 0;
  double norm = 0;
  double deviation = 0;
};

Moments moments_of(std::span<const float> vector) {
  Moments moments;
  if (vector.empty()) return moments;
  double sum = 0, squares = 0;
  for (const float value : vector) {
    moments.finite &= std::isfinite(value);
    sum += value;
    squares += double{value} * value;
  }
  const double width = static_cast<double>(vector.size());
  moments.mean = sum / width;
  moments.norm = std::sqrt(squares);
  moments.deviation = std::sqrt(std::max(0.0, squares / width - moments.mean * moments.mean));
  return moments;
}

size_t characters_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

// The width that most vectors have; of several the smallest.
size_t usual_width(std::span<const QualityInput> embeddings) {
  std::unordered_map<size_t, size_t> counts;
  for (const QualityInput& embedding : embeddings) counts[embedding.vector.size()]++;
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) {
                            return a.second != b.second ? a.second < b.second : a.first > b.first;
                          })
      ->first;
}

// One look at a set of vectors. What is true of a single vector first, then what is true of the set.
class Assessment {
 public:
  explicit Assessment(std::span<const QualityInput> embeddings)
      : embeddings_(embeddings), width_(usual_width(embeddings)) {}

  QualityReport report() {
    report_.total_embeddings = embeddings_.size();
    report_.dimension_consistency = true;
    report_.normalization_status = true;
    for (size_t i = 0; i < embeddings_.size(); i++) look_at(i);
    find_duplicates();
    find_outliers();
    measure_scores();
    measure_times();
    for (const QualityIssue& issue : report_.issues) report_.processing_issues.push_back(issue.message);
    return std::move(report_);
  }

 private:
  template <typename... Args>
  void add(const char* kind, std::optional<size_t> index, double value, fmt::format_string<Args...> format,
           Args&&... args) {
    const std::string what = fmt::format(format, std::forward<Args>(args)...);
    const std::string message = index ? fmt::format("embedding {}: {}", *index, what) : what;
    report_.issues.push_back({kind, index, value, message});
  }

  void look_at(size_t i) {
    const QualityInput& embedding = embeddings_[i];
    const size_t width = embedding.vector.size();
    if (width != width_) {
      report_.dimension_consistency = false;
      add("dimension", i, static_cast<double>(width), "{} dimensions, most have {}", width, width_);
    }
    if (!embedding.error.empty()) add("failed", i, embedding.quality_score, "failed: {}", embedding.error);
    const Moments moments = moments_of(embedding.vector);
    if (!moments.finite) {
      const auto at = std::find_if(embedding.vector.begin(), embedding.vector.end(),
                                   [](float value) { return !std::isfinite(value); });
      report_.outlier_count++;
      report_.normalization_status = false;
      add("not_finite", i, *at, "component {} is {}", at - embedding.vector.begin(), *at);
    } else if (moments.norm == 0) {
      if (embedding.error.empty()) add("zero", i, 0, "the vector is zero");
    } else {
      if (std::abs(moments.norm - 1) > kUnitTolerance) {
        report_.normalization_status = false;
        add("not_normalized", i, moments.norm, "length {:.6g}, expected 1 of a normalized vector", moments.norm);
      }
      if (width == width_) {
        sound_.push_back(i);
        norms_.push_back(moments.norm);
      }
    }
  }

  void find_duplicates() {
    std::unordered_map<std::string_view, size_t> first;
    for (const size_t i : sound_) {
      const std::span<const float> vector = embeddings_[i].vector;
      const auto [found, inserted] =
          first.emplace(std::string_view(reinterpret_cast<const char*>(vector.data()), vector.size_bytes()), i);
      if (inserted || embeddings_[found->second].text == embeddings_[i].text) continue;
      add("duplicate", i, static_cast<double>(found->second), "the same vector as embedding {}, from a different text",
          found->second);
    }
  }

  void find_outliers() {
    if (sound_.empty()) return;
    std::vector<double> centroid(width_);
    for (size_t s = 0; s < sound_.size(); s++) {
      const std::span<const float> vector = embeddings_[sound_[s]].vector;
      for (size_t c = 0; c < width_; c++) centroid[c] += vector[c] / norms_[s];
    }
    double squares = 0;
    for (double& component : centroid) {
      component /= static_cast<double>(sound_.size());
      squares += component * component;
    }
    const double length = std::sqrt(squares);
    const bool one_text = std::all_of(sound_.begin(), sound_.end(), [&](size_t i) {
      return embeddings_[i].text == embeddings_[sound_.front()].text;
    });
    if (length >= kNearConstant && !one_text) {
      add("near_constant", std::nullopt, length,
          "the {} vectors are nearly the same: the length of their mean is {:.6f}, where 1 is equality", sound_.size(),
          length);
    }
    if (sound_.size() < kFewest || length == 0) return;
    std::vector<double> distances(sound_.size()), deviations(sound_.size());
    for (size_t s = 0; s < sound_.size(); s++) {
      const std::span<const float> vector = embeddings_[sound_[s]].vector;
      double product = 0;
      for (size_t c = 0; c < width_; c++) product += vector[c] * centroid[c];
      distances[s] = 1 - product / (norms_[s] * length);
    }
    const double median = median_of(distances);
    for (size_t s = 0; s < sound_.size(); s++) deviations[s] = std::abs(distances[s] - median);
    const double bound = median + std::max(kSmallestFar, kFarDeviations * kDeviationOfMedian * median_of(deviations));
    for (size_t s = 0; s < sound_.size(); s++) {
      if (distances[s] <= bound) continue;
      report_.outlier_count++;
      add("far_from_centroid", sound_[s], distances[s],
          "cosine distance {:.4f} from the centroid, the median is {:.4f}", distances[s], median);
    }
  }

  void measure_scores() {
    double sum = 0;
    for (size_t i = 0; i < embeddings_.size(); i++) {
      const double score = embeddings_[i].quality_score;
      sum += score;
      if (embeddings_[i].error.empty() && !(score >= EmbeddingGenerator::kDefaultQualityThreshold)) {
        add("low_quality", i, score, "quality {:.3f}, expected at least {}", score,
            EmbeddingGenerator::kDefaultQualityThreshold);
      }
    }
    report_.avg_quality_score = sum / static_cast<double>(embeddings_.size());
  }

  void measure_times() {
    std::vector<double> times;
    double sum = 0;
    for (const QualityInput& embedding : embeddings_) {
      times.push_back(embedding.processing_time_ms);
      sum += embedding.processing_time_ms;
    }
    report_.performance_metrics = {.avg_processing_time_ms = sum / static_cast<double>(times.size()),
                                   .median_processing_time_ms = median_of(times),
                                   .max_processing_time_ms = *std::max_element(times.begin(), times.end()),
                                   .total_processing_time_s = sum / 1000};
  }

  const std::span<const QualityInput> embeddings_;
  const size_t width_;
  std::vector<size_t> sound_;  // of the usual width, finite and not zero
  std::vector<double> norms_;  // of those
  QualityReport report_;
};

}  // namespace

double score_vector(std::span<const float> vector, std::string_view text) {
  const Moments moments = moments_of(vector);
  if (!moments.finite || moments.norm == 0) return 0;
  double score = 1;
  if (moments.norm < kSmallMagnitude) score *= kOfSmallMagnitude;
  const double width = static_cast<double>(vector.size());
  if (moments.deviation < kSmallDeviation * std::sqrt(kWidthOfBound / width)) score *= kOfSmallDeviation;
  const size_t characters = characters_of(text);
  if (characters < kShortText || characters > kLongText) score *= kOfOddText;
  return score;
}

QualityReport assess(std::span<const QualityInput> embeddings) {
  if (embeddings.empty()) {
    QualityReport report;
    report.processing_issues = {"No embeddings provided"};
    return report;
  }
  return Assessment(embeddings).report();
}

}  // namespace bgem3
