#include "ops/loss.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "runtime/base/check.h"

namespace dime::ops {
namespace {

// Both functions take exp(-|logit|), which is what keeps them from overflowing.
float SigmoidFrom(float logit, float exp_of_minus_abs) {
  return (logit >= 0 ? 1.0f : exp_of_minus_abs) / (1.0f + exp_of_minus_abs);
}

float CrossEntropyFrom(float logit, float label, float exp_of_minus_abs) {
  return std::max(logit, 0.0f) - logit * label + std::log1p(exp_of_minus_abs);
}

}  // namespace

float Sigmoid(float logit) { return SigmoidFrom(logit, std::exp(-std::fabs(logit))); }

float SigmoidCrossEntropy(float logit, float label) {
  return CrossEntropyFrom(logit, label, std::exp(-std::fabs(logit)));
}

double SigmoidCrossEntropyGradient(std::span<const float> logits, std::span<const float> labels,
                                   std::span<const float> weights, float scale,
                                   std::span<float> gradients) {
  DIME_CHECK(labels.size() == logits.size() && gradients.size() == logits.size());
  DIME_CHECK(weights.empty() || weights.size() == logits.size());
  double loss = 0;
  for (std::size_t e = 0; e < logits.size(); ++e) {
    const float weight = weights.empty() ? 1.0f : weights[e];
    const float exp_of_minus_abs = std::exp(-std::fabs(logits[e]));
    loss += static_cast<double>(weight) *
            static_cast<double>(CrossEntropyFrom(logits[e], labels[e], exp_of_minus_abs));
    gradients[e] = weight * scale * (SigmoidFrom(logits[e], exp_of_minus_abs) - labels[e]);
  }
  return loss;
}

float SoftmaxCrossEntropy(std::span<const float> logits, float label) {
  const float largest = *std::ranges::max_element(logits);
  float sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) - (logits[static_cast<std::size_t>(label)] - largest);
}

double SoftmaxCrossEntropyGradient(std::span<const float> logits, std::int64_t num_classes,
                                   std::span<const float> labels, std::span<const float> weights,
                                   float scale, std::span<float> gradients) {
  const auto dim = static_cast<std::size_t>(num_classes);
  DIME_CHECK(logits.size() == labels.size() * dim && gradients.size() == logits.size());
  DIME_CHECK(weights.empty() || weights.size() == labels.size());
  double loss = 0;
  for (std::size_t e = 0; e < labels.size(); ++e) {
    const std::span<const float> row = logits.subspan(e * dim, dim);
    const std::span<float> gradient = gradients.subspan(e * dim, dim);
    const auto label = static_cast<std::size_t>(labels[e]);
    const float weight = weights.empty() ? 1.0f : weights[e];
    const float largest = *std::ranges::max_element(row);
    float sum = 0;
    for (std::size_t c = 0; c < dim; ++c) sum += gradient[c] = std::exp(row[c] - largest);
    loss +=
        static_cast<double>(weight) * static_cast<double>(std::log(sum) - (row[label] - largest));
    for (float& value : gradient) value /= sum;
    gradient[label] -= 1.0f;
    for (float& value : gradient) value *= weight * scale;
  }
  return loss;
}

double SquaredErrorGradient(std::span<const float> logits, std::span<const float> labels,
                            std::span<const float> weights, float scale,
                            std::span<float> gradients) {
  DIME_CHECK(labels.size() == logits.size() && gradients.size() == logits.size());
  DIME_CHECK(weights.empty() || weights.size() == logits.size());
  double loss = 0;
  for (std::size_t e = 0; e < logits.size(); ++e) {
    const float weight = weights.empty() ? 1.0f : weights[e];
    const float error = logits[e] - labels[e];
    loss += static_cast<double>(weight) * static_cast<double>(error * error);
    gradients[e] = 2.0f * weight * scale * error;
  }
  return loss;
}

}  // namespace dime::ops
