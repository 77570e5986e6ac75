#include "models/head.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <vector>

namespace dime::models {
namespace {

using ::testing::FloatEq;
using ::testing::FloatNear;

TEST(HeadTest, ATieIsClassZero) {
  const Prediction prediction = Head().Predict(0);
  EXPECT_EQ(prediction.class_id, 0);
  EXPECT_EQ(prediction.logistic, 0.5f);
  EXPECT_EQ(prediction.probabilities[0], 0.5f);
  EXPECT_EQ(prediction.probabilities[1], 0.5f);
}

TEST(HeadTest, ProbabilitiesAreTheSoftmaxOfZeroAndTheLogit) {
  for (const float logit : {-20.0f, -1.5f, -1e-6f, 1e-6f, 0.25f, 3.0f, 15.0f}) {
    const Prediction prediction = Head().Predict(logit);
    const double positive = 1 / (1 + std::exp(-static_cast<double>(logit)));
    EXPECT_EQ(prediction.logit, logit);
    EXPECT_EQ(prediction.class_id, logit > 0 ? 1 : 0);
    EXPECT_THAT(prediction.logistic, FloatEq(static_cast<float>(positive)));
    EXPECT_THAT(prediction.probabilities[1], FloatEq(static_cast<float>(positive)));
    EXPECT_THAT(prediction.probabilities[0], FloatNear(static_cast<float>(1 - positive), 1e-7f));
  }
}

TEST(HeadTest, HugeLogitsAreCertainNotNan) {
  const Prediction yes = Head().Predict(1e30f);
  EXPECT_EQ(yes.class_id, 1);
  EXPECT_EQ(yes.logistic, 1.0f);
  EXPECT_EQ(yes.probabilities[0], 0.0f);
  EXPECT_EQ(yes.probabilities[1], 1.0f);
  const Prediction no = Head().Predict(-1e30f);
  EXPECT_EQ(no.class_id, 0);
  EXPECT_EQ(no.logistic, 0.0f);
  EXPECT_EQ(no.probabilities[0], 1.0f);
  EXPECT_EQ(no.probabilities[1], 0.0f);
}

TEST(HeadTest, TheGradientIsSigmoidLessLabelTimesWeightAndScale) {
  const std::vector<float> logits = {0, 2, -1};
  const std::vector<float> labels = {1, 0, 0};
  const std::vector<float> weights = {1, 0.5f, 3};
  std::vector<float> gradients(3);
  const double loss = Head().LossGradient(logits, labels, weights, 0.25f, gradients);
  std::vector<float> losses(3);
  Head().ExampleLosses(logits, labels, losses);
  EXPECT_THAT(losses[0], FloatEq(std::log(2.0f)));
  EXPECT_THAT(losses[1], FloatEq(std::log1p(std::exp(2.0f))));
  EXPECT_THAT(losses[2], FloatEq(std::log1p(std::exp(-1.0f))));
  EXPECT_NEAR(loss, losses[0] + 0.5 * losses[1] + 3 * losses[2], 1e-6);
  EXPECT_THAT(gradients[0], FloatEq(0.25f * (0.5f - 1)));
  EXPECT_THAT(gradients[1], FloatEq(0.5f * 0.25f / (1 + std::exp(-2.0f))));
  EXPECT_THAT(gradients[2], FloatEq(3 * 0.25f / (1 + std::exp(1.0f))));
}

TEST(HeadTest, NoExamplesHaveNoLoss) {
  EXPECT_EQ(Head().LossGradient({}, {}, {}, 1, {}), 0);
  Head().ExampleLosses({}, {}, {});
}

}  // namespace
}  // namespace dime::models
