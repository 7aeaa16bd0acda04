// The best of a stream of scored records.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace bgem3::cli {

struct Hit {
  double score = 0;
  size_t row = 0;
  std::string id;  // as JSON
  std::string text;
};

// Keeps the `limit` hits of highest score, the earlier row first where scores are equal.
class TopList {
 public:
  explicit TopList(size_t limit) : limit_(limit) {}

  // True if a hit of this score and row would be kept: ask before copying texts.
  bool wants(double score, size_t row) const;
  void add(Hit hit);
  // Best first. The list is empty afterwards.
  std::vector<Hit> take();

 private:
  size_t limit_;
  std::vector<Hit> heap_;  // the worst in front
};

// Cosine of the angle between two vectors of equal size, computed in double; 0 if one has length zero.
double cosine(std::span<const float> a, std::span<const float> b);

}  // namespace bgem3::cli
