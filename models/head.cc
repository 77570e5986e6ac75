#include "models/head.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "ops/loss.h"
#include "runtime/base/check.h"

namespace dime::models {

double Head::LossGradient(std::span<const float> logits, std::span<const float> labels,
                          std::span<const float> weights, float scale,
                          std::span<float> gradients) const {
  return ops::SigmoidCrossEntropyGradient(logits, labels, weights, scale, gradients);
}

void Head::ExampleLosses(std::span<const float> logits, std::span<const float> labels,
                         std::span<float> losses) const {
  DIME_CHECK(labels.size() == logits.size() && losses.size() == logits.size());
  for (std::size_t e = 0; e < logits.size(); ++e) {
    losses[e] = ops::SigmoidCrossEntropy(logits[e], labels[e]);
  }
}

Prediction Head::Predict(float logit) const {
  Prediction prediction;
  prediction.logit = logit;
  prediction.logistic = ops::Sigmoid(logit);
  const float largest = std::max(logit, 0.0f);
  const float negative = std::exp(0.0f - largest);
  const float positive = std::exp(logit - largest);
  prediction.probabilities[0] = negative / (negative + positive);
  prediction.probabilities[1] = positive / (negative + positive);
  prediction.class_id = logit > 0 ? 1 : 0;
  return prediction;
}

}  // namespace dime::models
