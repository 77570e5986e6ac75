// ops/loss.h - the losses: values and gradients from logits.
#pragma once

#include <cstdint>
#include <span>

namespace dime::ops {

// 1 / (1 + exp(-logit)), exact at both ends.
[[nodiscard]] float Sigmoid(float logit);

// max(z, 0) - z*y + log(1 + exp(-|z|)), for label y in [0, 1].
[[nodiscard]] float SigmoidCrossEntropy(float logit, float label);

// The weighted sum over examples of the loss (in double, in order), and gradients[e] = weight *
// scale * (sigmoid - label). `weights` may be empty: all 1. scale is 1 for a sum over the batch,
// 1/(sum of weights) for its mean.
double SigmoidCrossEntropyGradient(std::span<const float> logits, std::span<const float> labels,
                                   std::span<const float> weights, float scale,
                                   std::span<float> gradients);

// log(sum of exp(logits)) - logits[label], for a class's number as label.
[[nodiscard]] float SoftmaxCrossEntropy(std::span<const float> logits, float label);

// The same for softmax: logits, gradients: [n, num_classes]; gradients[e, c] = weight * scale *
// (probability of c - [c is the label]).
double SoftmaxCrossEntropyGradient(std::span<const float> logits, std::int64_t num_classes,
                                   std::span<const float> labels, std::span<const float> weights,
                                   float scale, std::span<float> gradients);

// The same for the loss (logit - label)^2.
double SquaredErrorGradient(std::span<const float> logits, std::span<const float> labels,
                            std::span<const float> weights, float scale,
                            std::span<float> gradients);

}  // namespace dime::ops
