#include "models/head.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "ops/loss.h"
#include "runtime/base/check.h"

namespace dime::models {
namespace {

class BinaryHead : public Head {
 public:
  [[nodiscard]] std::int64_t logit_dim() const override { return 1; }

  double LossGradient(std::span<const float> logits, std::span<const float> labels,
                      std::span<const float> weights, float scale,
                      std::span<float> gradients) const override {
    return ops::SigmoidCrossEntropyGradient(logits, labels, weights, scale, gradients);
  }

  void ExampleLosses(std::span<const float> logits, std::span<const float> labels,
                     std::span<float> losses) const override {
    DIME_CHECK(labels.size() == logits.size() && losses.size() == logits.size());
    for (std::size_t e = 0; e < logits.size(); ++e) {
      losses[e] = ops::SigmoidCrossEntropy(logits[e], labels[e]);
    }
  }

  void Predict(std::span<const float> logits, Predictions* predictions) const override {
    predictions->num_classes = 2;
    predictions->num_examples += static_cast<std::int64_t>(logits.size());
    for (const float logit : logits) {
      const float largest = std::max(logit, 0.0f);
      const float negative = std::exp(0.0f - largest);
      const float positive = std::exp(logit - largest);
      predictions->logits.push_back(logit);
      predictions->logistic.push_back(ops::Sigmoid(logit));
      predictions->probabilities.push_back(negative / (negative + positive));
      predictions->probabilities.push_back(positive / (negative + positive));
      predictions->class_ids.push_back(logit > 0 ? 1 : 0);
    }
  }

  [[nodiscard]] std::unique_ptr<Metrics> NewMetrics() const override {
    return std::make_unique<BinaryMetrics>();
  }
};

class MultiClassHead : public Head {
 public:
  explicit MultiClassHead(std::int64_t num_classes) : num_classes_(num_classes) {}

  [[nodiscard]] std::int64_t logit_dim() const override { return num_classes_; }

  double LossGradient(std::span<const float> logits, std::span<const float> labels,
                      std::span<const float> weights, float scale,
                      std::span<float> gradients) const override {
    return ops::SoftmaxCrossEntropyGradient(logits, num_classes_, labels, weights, scale,
                                            gradients);
  }

  void ExampleLosses(std::span<const float> logits, std::span<const float> labels,
                     std::span<float> losses) const override {
    DIME_CHECK(labels.size() == losses.size());
    for (std::size_t e = 0; e < losses.size(); ++e) {
      losses[e] = ops::SoftmaxCrossEntropy(RowOf(logits, e), labels[e]);
    }
  }

  void Predict(std::span<const float> logits, Predictions* predictions) const override {
    predictions->num_logits = num_classes_;
    predictions->num_classes = num_classes_;
    const std::size_t num_examples = logits.size() / static_cast<std::size_t>(num_classes_);
    predictions->num_examples += static_cast<std::int64_t>(num_examples);
    predictions->logits.insert(predictions->logits.end(), logits.begin(), logits.end());
    std::vector<float>& probabilities = predictions->probabilities;
    for (std::size_t e = 0; e < num_examples; ++e) {
      const std::span<const float> row = RowOf(logits, e);
      const auto largest = std::ranges::max_element(row);
      predictions->class_ids.push_back(largest - row.begin());
      const std::size_t first = probabilities.size();
      float sum = 0;
      for (const float logit : row) sum += probabilities.emplace_back(std::exp(logit - *largest));
      for (std::size_t i = first; i < probabilities.size(); ++i) probabilities[i] /= sum;
    }
  }

  [[nodiscard]] std::unique_ptr<Metrics> NewMetrics() const override {
    return std::make_unique<MultiClassMetrics>();
  }

 private:
  [[nodiscard]] std::span<const float> RowOf(std::span<const float> logits,
                                             std::size_t example) const {
    const auto size = static_cast<std::size_t>(num_classes_);
    return logits.subspan(example * size, size);
  }

  std::int64_t num_classes_;
};

class RegressionHead : public Head {
 public:
  [[nodiscard]] std::int64_t logit_dim() const override { return 1; }

  double LossGradient(std::span<const float> logits, std::span<const float> labels,
                      std::span<const float> weights, float scale,
                      std::span<float> gradients) const override {
    return ops::SquaredErrorGradient(logits, labels, weights, scale, gradients);
  }

  void ExampleLosses(std::span<const float> logits, std::span<const float> labels,
                     std::span<float> losses) const override {
    DIME_CHECK(labels.size() == logits.size() && losses.size() == logits.size());
    for (std::size_t e = 0; e < logits.size(); ++e) {
      losses[e] = (logits[e] - labels[e]) * (logits[e] - labels[e]);
    }
  }

  void Predict(std::span<const float> logits, Predictions* predictions) const override {
    predictions->num_examples += static_cast<std::int64_t>(logits.size());
    predictions->logits.insert(predictions->logits.end(), logits.begin(), logits.end());
  }

  [[nodiscard]] std::unique_ptr<Metrics> NewMetrics() const override {
    return std::make_unique<RegressionMetrics>();
  }
};

}  // namespace

double LossScale(LossReduction reduction, std::int64_t num_examples,
                 std::span<const float> weights) {
  if (reduction == LossReduction::kSum) return 1;
  const bool weighted = reduction == LossReduction::kWeightedMean && !weights.empty();
  const double whole = weighted ? std::accumulate(weights.begin(), weights.end(), 0.0)
                                : static_cast<double>(num_examples);
  return whole > 0 ? 1 / whole : 0;
}

std::unique_ptr<const Head> MakeHead(const ModelDescription& description) {
  if (IsRegressor(description.estimator.kind)) return std::make_unique<RegressionHead>();
  const std::int64_t num_classes = NumClasses(description.label);
  if (num_classes == 2) return std::make_unique<BinaryHead>();
  return std::make_unique<MultiClassHead>(num_classes);
}

}  // namespace dime::models
