#include "models/head.h"

#include <gmock/gmock.h>

#include <cmath>
#include <memory>
#include <vector>

namespace dime::models {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::FloatNear;
using ::testing::IsEmpty;

std::unique_ptr<const Head> HeadOf(EstimatorKind kind, std::int64_t num_classes) {
  ModelDescription description;
  description.estimator.kind = kind;
  description.label.num_classes = num_classes;
  return MakeHead(description);
}
std::unique_ptr<const Head> Binary() { return HeadOf(EstimatorKind::kDnnClassifier, 2); }
std::unique_ptr<const Head> ThreeClasses() { return HeadOf(EstimatorKind::kLinearClassifier, 3); }
std::unique_ptr<const Head> Regression() { return HeadOf(EstimatorKind::kDnnRegressor, 0); }

Predictions Predict(const Head& head, const std::vector<float>& logits) {
  Predictions predictions;
  head.Predict(logits, &predictions);
  return predictions;
}

TEST(BinaryHeadTest, ATieIsClassZero) {
  const Predictions predictions = Predict(*Binary(), {0});
  EXPECT_THAT(predictions.class_ids, ElementsAre(0));
  EXPECT_THAT(predictions.logistic, ElementsAre(0.5f));
  EXPECT_THAT(predictions.probabilities, ElementsAre(0.5f, 0.5f));
}

TEST(BinaryHeadTest, ProbabilitiesAreTheSoftmaxOfZeroAndTheLogit) {
  const std::vector<float> logits = {-20.0f, -1.5f, -1e-6f, 1e-6f, 0.25f, 3.0f, 15.0f};
  const Predictions predictions = Predict(*Binary(), logits);
  ASSERT_EQ(predictions.num_examples, 7);
  EXPECT_EQ(predictions.logits, logits);
  for (std::size_t e = 0; e < logits.size(); ++e) {
    const double positive = 1 / (1 + std::exp(-static_cast<double>(logits[e])));
    EXPECT_EQ(predictions.class_ids[e], logits[e] > 0 ? 1 : 0);
    EXPECT_THAT(predictions.logistic[e], FloatEq(static_cast<float>(positive)));
    const auto probabilities = predictions.ProbabilitiesOf(static_cast<std::int64_t>(e));
    EXPECT_THAT(probabilities[1], FloatEq(static_cast<float>(positive)));
    EXPECT_THAT(probabilities[0], FloatNear(static_cast<float>(1 - positive), 1e-7f));
  }
}

TEST(BinaryHeadTest, HugeLogitsAreCertainNotNan) {
  const Predictions predictions = Predict(*Binary(), {1e30f, -1e30f});
  EXPECT_THAT(predictions.class_ids, ElementsAre(1, 0));
  EXPECT_THAT(predictions.logistic, ElementsAre(1, 0));
  EXPECT_THAT(predictions.probabilities, ElementsAre(0, 1, 1, 0));
}

TEST(BinaryHeadTest, TheGradientIsSigmoidLessLabelTimesWeightAndScale) {
  const std::vector<float> logits = {0, 2, -1};
  const std::vector<float> labels = {1, 0, 0};
  const std::vector<float> weights = {1, 0.5f, 3};
  std::vector<float> gradients(3);
  const double loss = Binary()->LossGradient(logits, labels, weights, 0.25f, gradients);
  std::vector<float> losses(3);
  Binary()->ExampleLosses(logits, labels, losses);
  EXPECT_THAT(losses[0], FloatEq(std::log(2.0f)));
  EXPECT_THAT(losses[1], FloatEq(std::log1p(std::exp(2.0f))));
  EXPECT_THAT(losses[2], FloatEq(std::log1p(std::exp(-1.0f))));
  EXPECT_NEAR(loss, losses[0] + 0.5 * losses[1] + 3 * losses[2], 1e-6);
  EXPECT_THAT(gradients[0], FloatEq(0.25f * (0.5f - 1)));
  EXPECT_THAT(gradients[1], FloatEq(0.5f * 0.25f / (1 + std::exp(-2.0f))));
  EXPECT_THAT(gradients[2], FloatEq(3 * 0.25f / (1 + std::exp(1.0f))));
}

TEST(MultiClassHeadTest, ProbabilitiesAreTheSoftmaxAndATieIsTheFirst) {
  const Predictions predictions =
      Predict(*ThreeClasses(), {0, std::log(2.0f), 0, 7, 7, 7, -1e30f, 0, 1e30f});
  EXPECT_EQ(predictions.num_examples, 3);
  EXPECT_EQ(predictions.num_logits, 3);
  EXPECT_THAT(predictions.class_ids, ElementsAre(1, 0, 2));
  EXPECT_THAT(predictions.ProbabilitiesOf(0),
              ElementsAre(FloatEq(0.25f), FloatEq(0.5f), FloatEq(0.25f)));
  EXPECT_THAT(predictions.ProbabilitiesOf(2), ElementsAre(0, 0, 1));
  EXPECT_THAT(predictions.logistic, IsEmpty());
}

// Every head's gradient is the difference quotient of its losses.
TEST(HeadTest, TheGradientIsTheSlopeOfTheWeightedLosses) {
  struct Case {
    std::unique_ptr<const Head> head;
    std::vector<float> labels;
  };
  Case cases[3];
  cases[0] = {Binary(), {1, 0}};
  cases[1] = {ThreeClasses(), {2, 0}};
  cases[2] = {Regression(), {-1.5f, 4}};
  const std::vector<float> weights = {0.5f, 2};
  for (const Case& tried : cases) {
    const std::unique_ptr<const Head>& head = tried.head;
    const std::vector<float>& labels = tried.labels;
    std::vector<float> logits;
    const auto size = static_cast<std::size_t>(2 * head->logit_dim());
    for (std::size_t i = 0; i < size; ++i) logits.push_back(0.75f - 0.5f * static_cast<float>(i));
    std::vector<float> gradients(size);
    const double loss = head->LossGradient(logits, labels, weights, 0.25f, gradients);
    const auto loss_at = [&](std::size_t i, float change) {
      std::vector<float> moved = logits;
      moved[i] += change;
      std::vector<float> losses(2);
      head->ExampleLosses(moved, labels, losses);
      return 0.5 * static_cast<double>(losses[0]) + 2.0 * static_cast<double>(losses[1]);
    };
    EXPECT_NEAR(loss, loss_at(0, 0), 1e-5);
    constexpr float kStep = 1.0f / 64;
    for (std::size_t i = 0; i < size; ++i) {
      const double slope = (loss_at(i, kStep) - loss_at(i, -kStep)) / (2 * kStep);
      EXPECT_NEAR(gradients[i], 0.25 * slope, 2e-4) << labels.size() << " " << i;
    }
  }
}

TEST(HeadTest, ARegressionsPredictionsAreItsLogits) {
  const Predictions predictions = Predict(*Regression(), {1.5f, -3});
  EXPECT_TRUE(predictions.is_regression());
  EXPECT_THAT(predictions.logits, ElementsAre(1.5f, -3));
  EXPECT_THAT(predictions.class_ids, IsEmpty());
}

TEST(HeadTest, NoExamplesHaveNoLoss) {
  EXPECT_EQ(Binary()->LossGradient({}, {}, {}, 1, {}), 0);
  EXPECT_EQ(ThreeClasses()->LossGradient({}, {}, {}, 1, {}), 0);
  EXPECT_EQ(Regression()->LossGradient({}, {}, {}, 1, {}), 0);
}

}  // namespace
}  // namespace dime::models
