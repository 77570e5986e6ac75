// models/head.h - what stands on top of the logits: loss, predictions and metrics of a kind of
// problem.
//
// Today: two classes by logistic regression, TensorFlow's binary head, with its keys.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dime::models {

// One example's predictions, as TensorFlow's predict signature names them.
struct Prediction {
  float logit = 0;
  float logistic = 0;               // Probability of class 1.
  float probabilities[2] = {0, 0};  // softmax([0, logit])
  std::int64_t class_id = 0;        // A tie is class 0.
};

class Head {
 public:
  [[nodiscard]] std::int64_t logit_dim() const { return 1; }
  [[nodiscard]] std::int64_t num_classes() const { return 2; }

  // The weighted sum of losses, and d(loss * scale)/d(logit) for each example. `weights` may be
  // empty.
  double LossGradient(std::span<const float> logits, std::span<const float> labels,
                      std::span<const float> weights, float scale,
                      std::span<float> gradients) const;
  // Each example's loss, unweighted.
  void ExampleLosses(std::span<const float> logits, std::span<const float> labels,
                     std::span<float> losses) const;

  [[nodiscard]] Prediction Predict(float logit) const;
};

}  // namespace dime::models
