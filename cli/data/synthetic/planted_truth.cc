#include "cli/data/synthetic/planted_truth.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "cli/data/synthetic/portable_math.h"

namespace dime::cli {
namespace {

constexpr std::size_t kNumScores = 2 * kMaxScore + 1;

double Probability(int score) {
  return 1 / (1 + PortableExp(-static_cast<double>(score) / kScoreUnit));
}

}  // namespace

PlantedTruth::PlantedTruth(std::span<const int> sample_scores, double share_of_positives) {
  std::vector<double> probabilities;
  for (int score = -kMaxScore; score <= kMaxScore; ++score) {
    probabilities.push_back(Probability(score));
    thresholds_.push_back(static_cast<std::uint32_t>(probabilities.back() * 0x1p32));
  }
  const auto expected_share = [&](int bias) {
    bias_ = bias;
    double sum = 0;
    for (const int score : sample_scores) {
      sum += probabilities[static_cast<std::size_t>(Final(score) + kMaxScore)];
    }
    return sum / static_cast<double>(sample_scores.size());
  };
  int low = -2 * kMaxScore;
  int high = 2 * kMaxScore;
  while (low < high) {
    const int middle = low + (high - low) / 2;
    if (expected_share(middle) < share_of_positives) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  bias_ = low;
}

ScoreCounts::ScoreCounts() { Clear(); }

void ScoreCounts::Clear() {
  for (auto& counts : counts_) counts.assign(kNumScores, 0);
}

void ScoreCounts::Add(const ScoreCounts& other) {
  for (std::size_t label = 0; label < counts_.size(); ++label) {
    std::transform(counts_[label].begin(), counts_[label].end(), other.counts_[label].begin(),
                   counts_[label].begin(), std::plus<>());
  }
}

std::int64_t ScoreCounts::num_positives() const {
  return std::accumulate(counts_[1].begin(), counts_[1].end(), std::int64_t{0});
}

// The share of pairs of a negative and a positive that the scores order; ties count half.
double ScoreCounts::Auc() const {
  double ordered_pairs = 0;
  double negatives_below = 0;
  for (std::size_t i = 0; i < kNumScores; ++i) {
    const auto negatives = static_cast<double>(counts_[0][i]);
    ordered_pairs += static_cast<double>(counts_[1][i]) * (negatives_below + 0.5 * negatives);
    negatives_below += negatives;
  }
  const double pairs = negatives_below * static_cast<double>(num_positives());
  return pairs > 0 ? ordered_pairs / pairs : 0.5;
}

}  // namespace dime::cli
