// models/head.h - what stands on top of the logits: loss, predictions and metrics of a kind of
// problem. TensorFlow's heads, with their keys.
//
// Threads: const methods may run in several at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "models/description.h"
#include "models/metrics.h"
#include "models/predictions.h"

namespace dime::models {

// What the weighted sum of a batch's losses is multiplied by to be its loss. `weights` may be
// empty.
[[nodiscard]] double LossScale(LossReduction reduction, std::int64_t num_examples,
                               std::span<const float> weights);

class Head {
 public:
  virtual ~Head() = default;

  // Logits an example.
  [[nodiscard]] virtual std::int64_t logit_dim() const = 0;

  // The weighted sum of losses (in double, in order), and d(loss * scale)/d(logit). logits,
  // gradients: [n, logit_dim()]; labels: a class's number or the target, [n]; `weights` may be
  // empty.
  virtual double LossGradient(std::span<const float> logits, std::span<const float> labels,
                              std::span<const float> weights, float scale,
                              std::span<float> gradients) const = 0;
  // Each example's loss, unweighted.
  virtual void ExampleLosses(std::span<const float> logits, std::span<const float> labels,
                             std::span<float> losses) const = 0;

  // Appends the predictions of the examples that have these logits.
  virtual void Predict(std::span<const float> logits, Predictions* predictions) const = 0;

  [[nodiscard]] virtual std::unique_ptr<Metrics> NewMetrics() const = 0;
};

// Two classes: logistic regression. More: softmax. A regressor: squared error.
[[nodiscard]] std::unique_ptr<const Head> MakeHead(const ModelDescription& description);

}  // namespace dime::models
