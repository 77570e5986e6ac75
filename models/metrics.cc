#include "models/metrics.h"

#include <algorithm>
#include <cstddef>

#include "runtime/base/check.h"

namespace dime::models {
namespace {

constexpr double kEpsilon = 1e-6;  // TensorFlow's, against division by zero in both areas.

// As TensorFlow's div_no_nan: 0 where nothing was counted.
double Ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

double WeightOf(std::span<const float> weights, std::size_t example) {
  return weights.empty() ? 1.0 : static_cast<double>(weights[example]);
}

void CheckSizes(const Predictions& predictions, std::span<const float> labels,
                std::span<const float> losses, std::span<const float> weights) {
  DIME_CHECK(predictions.num_examples == static_cast<std::int64_t>(labels.size()));
  DIME_CHECK(losses.size() == labels.size());
  DIME_CHECK(weights.empty() || weights.size() == labels.size());
}

// A point of a curve, and the trapezoids between successive ones. x falls from point to point.
struct Point {
  double x = 0;
  double y = 0;
};
double AreaBetween(const Point& before, const Point& after) {
  return (before.x - after.x) * (before.y + after.y) / 2;
}

}  // namespace

void Metrics::AddBatchLoss(double loss) {
  batch_loss_sum_ += loss;
  ++num_batches_;
}

double Metrics::BatchLoss() const {
  return Ratio(batch_loss_sum_, static_cast<double>(num_batches_));
}

BinaryMetrics::BinaryMetrics() {
  constexpr double kMargin = 1e-7;
  for (int t = 1; t < kNumThresholds - 1; ++t) {
    thresholds_[static_cast<std::size_t>(t)] = static_cast<float>(t * 1.0 / (kNumThresholds - 1));
  }
  thresholds_.front() = static_cast<float>(0.0 - kMargin);
  thresholds_.back() = static_cast<float>(1.0 + kMargin);
}

void BinaryMetrics::Add(const Predictions& predictions, std::span<const float> labels,
                        std::span<const float> losses, std::span<const float> weights) {
  CheckSizes(predictions, labels, losses, weights);
  for (std::size_t e = 0; e < labels.size(); ++e) {
    const double weight = WeightOf(weights, e);
    const float logistic = predictions.logistic[e];
    const bool is_positive = labels[e] > 0.5f;
    const bool is_called_positive = predictions.class_ids[e] == 1;
    weight_ += weight;
    label_sum_ += weight * static_cast<double>(labels[e]);
    prediction_sum_ += weight * static_cast<double>(logistic);
    loss_sum_ += weight * static_cast<double>(losses[e]);
    if (is_positive == is_called_positive) correct_ += weight;
    if (is_positive) positives_ += weight;
    if (is_called_positive) (is_positive ? true_positives_ : false_positives_) += weight;
    const auto rank =
        std::lower_bound(thresholds_.begin(), thresholds_.end(), logistic) - thresholds_.begin();
    (is_positive ? positives_by_rank_ : negatives_by_rank_)[static_cast<std::size_t>(rank)] +=
        weight;
  }
}

MetricValues BinaryMetrics::Compute() const {
  // From the highest threshold down: what exceeds it is what exceeds the one above, and one rank.
  double roc_area = 0;
  double precision_recall_area = 0;
  double above_positive = 0;
  double above_negative = 0;
  double all_negative = 0;
  for (const double weight : negatives_by_rank_) all_negative += weight;
  Point roc_after;
  Point precision_recall_after;
  for (std::size_t t = kNumThresholds; t-- > 0;) {
    above_positive += positives_by_rank_[t + 1];
    above_negative += negatives_by_rank_[t + 1];
    const double recall = (above_positive + kEpsilon) / (positives_ + kEpsilon);
    const double precision =
        (above_positive + kEpsilon) / (above_positive + above_negative + kEpsilon);
    const Point roc = {.x = above_negative / (all_negative + kEpsilon), .y = recall};
    const Point precision_recall = {.x = recall, .y = precision};
    if (t + 1 < kNumThresholds) {
      roc_area += AreaBetween(roc, roc_after);
      precision_recall_area += AreaBetween(precision_recall, precision_recall_after);
    }
    roc_after = roc;
    precision_recall_after = precision_recall;
  }
  const double label_mean = Ratio(label_sum_, weight_);
  return {
      {"accuracy", Ratio(correct_, weight_)},
      {"accuracy_baseline", std::max(label_mean, 1 - label_mean)},
      {"auc", roc_area},
      {"auc_precision_recall", precision_recall_area},
      {"average_loss", Ratio(loss_sum_, weight_)},
      {"label/mean", label_mean},
      {"loss", BatchLoss()},
      {"precision", Ratio(true_positives_, true_positives_ + false_positives_)},
      {"prediction/mean", Ratio(prediction_sum_, weight_)},
      {"recall", Ratio(true_positives_, positives_)},
  };
}

void MultiClassMetrics::Add(const Predictions& predictions, std::span<const float> labels,
                            std::span<const float> losses, std::span<const float> weights) {
  CheckSizes(predictions, labels, losses, weights);
  for (std::size_t e = 0; e < labels.size(); ++e) {
    const double weight = WeightOf(weights, e);
    weight_ += weight;
    loss_sum_ += weight * static_cast<double>(losses[e]);
    if (predictions.class_ids[e] == static_cast<std::int64_t>(labels[e])) correct_ += weight;
  }
}

MetricValues MultiClassMetrics::Compute() const {
  return {{"accuracy", Ratio(correct_, weight_)},
          {"average_loss", Ratio(loss_sum_, weight_)},
          {"loss", BatchLoss()}};
}

void RegressionMetrics::Add(const Predictions& predictions, std::span<const float> labels,
                            std::span<const float> losses, std::span<const float> weights) {
  CheckSizes(predictions, labels, losses, weights);
  for (std::size_t e = 0; e < labels.size(); ++e) {
    const double weight = WeightOf(weights, e);
    weight_ += weight;
    label_sum_ += weight * static_cast<double>(labels[e]);
    prediction_sum_ += weight * static_cast<double>(predictions.logits[e]);
    loss_sum_ += weight * static_cast<double>(losses[e]);
  }
}

MetricValues RegressionMetrics::Compute() const {
  return {{"average_loss", Ratio(loss_sum_, weight_)},
          {"label/mean", Ratio(label_sum_, weight_)},
          {"loss", BatchLoss()},
          {"prediction/mean", Ratio(prediction_sum_, weight_)}};
}

}  // namespace dime::models
