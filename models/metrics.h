// models/metrics.h - evaluation metrics, by TensorFlow's formulas and under its names.
//
// Sums are kept in double and are added in the order of Add() calls.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace dime::models {

// Names and values in TensorFlow's (alphabetical) order: "accuracy", "accuracy_baseline", "auc",
// ...
using MetricValues = std::vector<std::pair<std::string, double>>;

class BinaryMetrics {
 public:
  BinaryMetrics();

  // Adds examples: probability of class 1, class id, label, each example's loss. `weights` may be
  // empty.
  void Add(std::span<const float> logistic, std::span<const std::int64_t> class_ids,
           std::span<const float> labels, std::span<const float> losses,
           std::span<const float> weights);
  // The training loss of one evaluation batch: "loss" is the mean of these.
  void AddBatchLoss(double loss);

  [[nodiscard]] MetricValues Compute() const;
  [[nodiscard]] std::int64_t num_examples() const { return num_examples_; }

 private:
  static constexpr int kNumThresholds = 200;  // -1e-7, i/199, 1+1e-7; positive means p > threshold.

  std::int64_t num_examples_ = 0;
  double weight_ = 0, correct_ = 0, label_sum_ = 0, prediction_sum_ = 0, loss_sum_ = 0;
  double true_positives_ = 0, false_positives_ = 0, positives_ = 0;
  double batch_loss_sum_ = 0;
  std::int64_t num_batches_ = 0;
  std::array<float, kNumThresholds> thresholds_;
  // Weight of examples by how many thresholds their probability exceeds, for labels 0 and 1.
  std::array<double, kNumThresholds + 1> negatives_by_rank_{};
  std::array<double, kNumThresholds + 1> positives_by_rank_{};
};

}  // namespace dime::models
