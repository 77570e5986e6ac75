// cli/data/synthetic/planted_truth.h - the logistic model that the labels of synthetic rows are
// drawn from, and how well it foretells them.
//
// A row has a score, the sum of its features' weights: a log-odds in units of 1/256, so that labels
// and AUC are integer arithmetic and come out the same everywhere.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace dime::cli {

inline constexpr int kScoreUnit = 256;             // A log-odds of 1.
inline constexpr int kMaxScore = 16 * kScoreUnit;  // Beyond it, scores are cut off.

class PlantedTruth {
 public:
  // Shifts all scores so that of `sample_scores` the given share is expected to be positive.
  PlantedTruth(std::span<const int> sample_scores, double share_of_positives);

  // The score that counts: shifted, and cut off.
  [[nodiscard]] int Final(int score) const {
    score += bias_;
    return score < -kMaxScore ? -kMaxScore : score > kMaxScore ? kMaxScore : score;
  }
  // The label of a row with this final score; positive for as many of all words as its probability.
  [[nodiscard]] bool IsPositive(int final_score, std::uint32_t word) const {
    return word < thresholds_[static_cast<std::size_t>(final_score + kMaxScore)];
  }

 private:
  int bias_ = 0;
  std::vector<std::uint32_t> thresholds_;
};

// The scores of the rows that a specification's shift is found from: rows of a seed of their own.
inline constexpr std::uint64_t kSampleKey = 0x5eed0f5eed0f5eed;
template <typename ScoreOfRow>
[[nodiscard]] std::vector<int> SampleScores(ScoreOfRow score_of_row) {
  constexpr std::uint64_t kNumRows = 1 << 15;
  std::vector<int> scores;
  for (std::uint64_t row = 0; row < kNumRows; ++row) scores.push_back(score_of_row(row));
  return scores;
}

// How many rows of each label had which final score. Adds up over threads.
class ScoreCounts {
 public:
  ScoreCounts();

  void Add(int final_score, bool is_positive) {
    ++counts_[is_positive][static_cast<std::size_t>(final_score + kMaxScore)];
  }
  void Add(const ScoreCounts& other);
  void Clear();

  [[nodiscard]] std::int64_t num_positives() const;
  // The area under the ROC curve of the scores; 0.5 where a label is missing altogether.
  [[nodiscard]] double Auc() const;

 private:
  std::array<std::vector<std::int64_t>, 2> counts_;  // By label, then by score.
};

}  // namespace dime::cli
