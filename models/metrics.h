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

#include "models/predictions.h"

namespace dime::models {

// Names and values in TensorFlow's (alphabetical) order: "accuracy", "accuracy_baseline", "auc",
// ...
using MetricValues = std::vector<std::pair<std::string, double>>;

class Metrics {
 public:
  virtual ~Metrics() = default;

  // Adds examples: their predictions, labels, unweighted losses. `weights` may be empty.
  virtual void Add(const Predictions& predictions, std::span<const float> labels,
                   std::span<const float> losses, std::span<const float> weights) = 0;
  // The training loss of one evaluation batch: "loss" is the mean of these.
  void AddBatchLoss(double loss);

  [[nodiscard]] virtual MetricValues Compute() const = 0;

 protected:
  // The mean of what AddBatchLoss() was told.
  [[nodiscard]] double BatchLoss() const;

 private:
  double batch_loss_sum_ = 0;
  std::int64_t num_batches_ = 0;
};

class BinaryMetrics : public Metrics {
 public:
  BinaryMetrics();

  void Add(const Predictions& predictions, std::span<const float> labels,
           std::span<const float> losses, std::span<const float> weights) override;
  [[nodiscard]] MetricValues Compute() const override;

 private:
  static constexpr int kNumThresholds = 200;  // -1e-7, i/199, 1+1e-7; positive means p > threshold.

  double weight_ = 0, correct_ = 0, label_sum_ = 0, prediction_sum_ = 0, loss_sum_ = 0;
  double true_positives_ = 0, false_positives_ = 0, positives_ = 0;
  std::array<float, kNumThresholds> thresholds_;
  // Weight of examples by how many thresholds their probability exceeds, for labels 0 and 1.
  std::array<double, kNumThresholds + 1> negatives_by_rank_{};
  std::array<double, kNumThresholds + 1> positives_by_rank_{};
};

// "accuracy", "average_loss", "loss".
class MultiClassMetrics : public Metrics {
 public:
  void Add(const Predictions& predictions, std::span<const float> labels,
           std::span<const float> losses, std::span<const float> weights) override;
  [[nodiscard]] MetricValues Compute() const override;

 private:
  double weight_ = 0, correct_ = 0, loss_sum_ = 0;
};

// "average_loss", "label/mean", "loss", "prediction/mean".
class RegressionMetrics : public Metrics {
 public:
  void Add(const Predictions& predictions, std::span<const float> labels,
           std::span<const float> losses, std::span<const float> weights) override;
  [[nodiscard]] MetricValues Compute() const override;

 private:
  double weight_ = 0, label_sum_ = 0, prediction_sum_ = 0, loss_sum_ = 0;
};

}  // namespace dime::models
