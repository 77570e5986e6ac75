#include "ops/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace dime::ops {
namespace {

constexpr float kLogits[] = {-80, -20, -3.5f, -1, -1e-3f, 0, 1e-3f, 0.5f, 2, 20, 80};

double ExactSigmoid(double logit) { return 1 / (1 + std::exp(-logit)); }

double ExactLoss(double logit, double label) {
  return std::max(logit, 0.0) - logit * label + std::log1p(std::exp(-std::fabs(logit)));
}

TEST(SigmoidTest, IsExactToAFewUlp) {
  for (const float logit : kLogits) {
    const double exact = ExactSigmoid(logit);
    EXPECT_NEAR(Sigmoid(logit), exact, 3e-7 * exact) << logit;
  }
}

TEST(SigmoidTest, EndsAreExact) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Sigmoid(0), 0.5f);
  EXPECT_EQ(Sigmoid(kInfinity), 1.0f);
  EXPECT_EQ(Sigmoid(-kInfinity), 0.0f);
  EXPECT_EQ(Sigmoid(1e30f), 1.0f);
  EXPECT_EQ(Sigmoid(-1e30f), 0.0f);
  EXPECT_GT(Sigmoid(-80), 0.0f);  // Where 1 / (1 + exp(80)) in floats still has digits.
  EXPECT_TRUE(std::isnan(Sigmoid(std::numeric_limits<float>::quiet_NaN())));
}

TEST(CrossEntropyTest, IsExactToAFewUlp) {
  for (const float logit : kLogits) {
    for (const float label : {0.0f, 1.0f, 0.25f}) {
      const double exact = ExactLoss(logit, label);
      EXPECT_NEAR(SigmoidCrossEntropy(logit, label), exact, 5e-7 * exact + 1e-30)
          << logit << " " << label;
    }
  }
}

TEST(CrossEntropyTest, LargeLogitsDoNotOverflow) {
  EXPECT_EQ(SigmoidCrossEntropy(1e30f, 0), 1e30f);
  EXPECT_EQ(SigmoidCrossEntropy(-1e30f, 1), 1e30f);
  EXPECT_EQ(SigmoidCrossEntropy(1e30f, 1), 0.0f);
  EXPECT_EQ(SigmoidCrossEntropy(-1e30f, 0), 0.0f);
}

TEST(GradientTest, IsTheLossesDifferenceQuotient) {
  constexpr double kStep = 1e-5;
  for (const float label : {0.0f, 1.0f, 0.25f}) {
    std::vector<float> gradients(std::size(kLogits));
    const std::vector<float> labels(std::size(kLogits), label);
    SigmoidCrossEntropyGradient(kLogits, labels, {}, 1.0f, gradients);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const double z = kLogits[i];
      const double slope = (ExactLoss(z + kStep, label) - ExactLoss(z - kStep, label)) / 2 / kStep;
      EXPECT_NEAR(gradients[i], slope, 1e-6) << z;
    }
  }
}

TEST(GradientTest, WeightsAndScaleMultiply) {
  const std::vector<float> logits = {1.5f, -0.5f, 3.0f};
  const std::vector<float> labels = {1, 1, 0};
  const std::vector<float> weights = {2, 0, 0.5f};
  std::vector<float> plain(3);
  std::vector<float> weighted(3);
  SigmoidCrossEntropyGradient(logits, labels, {}, 1.0f, plain);
  const double loss = SigmoidCrossEntropyGradient(logits, labels, weights, 0.25f, weighted);
  EXPECT_DOUBLE_EQ(loss, 2.0 * static_cast<double>(SigmoidCrossEntropy(1.5f, 1)) +
                             0.5 * static_cast<double>(SigmoidCrossEntropy(3.0f, 0)));
  EXPECT_FLOAT_EQ(weighted[0], 0.5f * plain[0]);
  EXPECT_EQ(weighted[1], 0.0f);
  EXPECT_FLOAT_EQ(weighted[2], 0.125f * plain[2]);
}

TEST(GradientTest, LossDoesNotDependOnScale) {
  const std::vector<float> logits = {1.5f, -0.5f};
  const std::vector<float> labels = {1, 0};
  std::vector<float> gradients(2);
  EXPECT_EQ(SigmoidCrossEntropyGradient(logits, labels, {}, 1.0f, gradients),
            SigmoidCrossEntropyGradient(logits, labels, {}, 0.5f, gradients));
}

TEST(GradientTest, NoExamplesHaveNoLoss) {
  EXPECT_EQ(SigmoidCrossEntropyGradient({}, {}, {}, 1.0f, {}), 0.0);
}

}  // namespace
}  // namespace dime::ops
