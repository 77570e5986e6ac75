#include "models/metrics.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dime::models {
namespace {

// TensorFlow sums in float32, we in double: this is its rounding, not ours.
constexpr double kTolerance = 2e-6;

struct Examples {
  Predictions predictions;
  std::vector<float> labels, losses, weights;
};

// The parts of predictions that metrics look at.
Predictions Predicted(const std::vector<float>& logistic,
                      const std::vector<std::int64_t>& class_ids) {
  Predictions predictions;
  predictions.num_examples = static_cast<std::int64_t>(class_ids.size());
  predictions.num_classes = 2;
  predictions.logistic = logistic;
  predictions.class_ids = class_ids;
  return predictions;
}

// Examples that a few lines of Python make again, to ask TensorFlow: every tenth probability lies
// exactly on a threshold, some are 0 or 1.
Examples MakeExamples(int num_examples) {
  Examples examples;
  std::vector<float> logistic;
  std::vector<std::int64_t> class_ids;
  std::uint64_t state = 12345;
  const auto next = [&state] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state >> 40) / (1 << 24);
  };
  for (int i = 0; i < num_examples; ++i) {
    auto p = static_cast<float>(next());
    if (i % 10 == 0) {
      p = static_cast<float>((i / 10 % 198 + 1) * 1.0 / 199);
    } else if (i % 97 == 1 || i % 97 == 2) {
      p = static_cast<float>(i % 97 - 1);
    }
    logistic.push_back(p);
    examples.labels.push_back(next() < 0.2 + 0.6 * static_cast<double>(p) ? 1.0f : 0.0f);
    examples.losses.push_back(static_cast<float>(i));
    examples.weights.push_back(1 + static_cast<float>(i % 4) * 0.5f);
    class_ids.push_back(p > 0.5f ? 1 : 0);
  }
  examples.predictions = Predicted(logistic, class_ids);
  return examples;
}

void Add(const Examples& e, bool weighted, BinaryMetrics* metrics) {
  metrics->Add(e.predictions, e.labels, e.losses, weighted ? e.weights : std::vector<float>());
}

double ValueOf(const Metrics& metrics, const std::string& name) {
  for (const auto& [key, value] : metrics.Compute()) {
    if (key == name) return value;
  }
  ADD_FAILURE() << "there is no metric " << name;
  return -1;
}

TEST(BinaryMetricsTest, HasTensorFlowsNamesInItsOrder) {
  std::vector<std::string> names;
  for (const auto& [name, value] : BinaryMetrics().Compute()) names.push_back(name);
  EXPECT_THAT(names, ::testing::ElementsAre("accuracy", "accuracy_baseline", "auc",
                                            "auc_precision_recall", "average_loss", "label/mean",
                                            "loss", "precision", "prediction/mean", "recall"));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

// The expected values of these three are what tf.compat.v1.metrics of TensorFlow 2.15.1 gave.
TEST(BinaryMetricsTest, AThousandExamplesGiveWhatTensorFlowGives) {
  BinaryMetrics metrics;
  Add(MakeExamples(1000), false, &metrics);
  EXPECT_NEAR(ValueOf(metrics, "accuracy"), 0.6359999775886536, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "auc"), 0.6847240328788757, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "auc_precision_recall"), 0.654445230960846, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "precision"), 0.6446808576583862, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "recall"), 0.6060000061988831, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "label/mean"), 0.5, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "prediction/mean"), 0.48995673656463623, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "accuracy_baseline"), 0.5, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "average_loss"), 499.5, kTolerance);
}

TEST(BinaryMetricsTest, WeightedExamplesGiveWhatTensorFlowGives) {
  BinaryMetrics metrics;
  Add(MakeExamples(1000), true, &metrics);
  EXPECT_NEAR(ValueOf(metrics, "accuracy"), 0.6337142586708069, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "auc"), 0.6805233359336853, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "auc_precision_recall"), 0.6574862599372864, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "precision"), 0.6456223726272583, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "recall"), 0.6120835542678833, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "label/mean"), 0.5059999823570251, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "prediction/mean"), 0.4959993064403534, kTolerance);
}

TEST(BinaryMetricsTest, SevenExamplesGiveWhatTensorFlowGives) {
  BinaryMetrics metrics;
  Add(MakeExamples(7), false, &metrics);
  EXPECT_NEAR(ValueOf(metrics, "accuracy"), 0.8571428656578064, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "auc"), 0.8333331942558289, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "auc_precision_recall"), 0.7638887166976929, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "precision"), 0.75, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "recall"), 1.0, kTolerance);
  EXPECT_NEAR(ValueOf(metrics, "accuracy_baseline"), 1 - 3.0 / 7, kTolerance);
}

TEST(BinaryMetricsTest, NoExamplesGiveNumbersNotNan) {
  for (const auto& [name, value] : BinaryMetrics().Compute()) {
    EXPECT_EQ(value, name == "accuracy_baseline" ? 1 : 0) << name;
  }
}

TEST(BinaryMetricsTest, CuttingIntoBatchesChangesNothing) {
  const Examples all = MakeExamples(101);
  BinaryMetrics whole;
  Add(all, true, &whole);
  BinaryMetrics parts;
  for (std::size_t e = 0; e < all.labels.size(); ++e) {
    parts.Add(Predicted({all.predictions.logistic[e]}, {all.predictions.class_ids[e]}),
              {&all.labels[e], 1}, {&all.losses[e], 1}, {&all.weights[e], 1});
  }
  EXPECT_EQ(whole.Compute(), parts.Compute());
}

TEST(BinaryMetricsTest, PerfectRankingHasAnAreaOfOne) {
  BinaryMetrics metrics;
  metrics.Add(Predicted({0.1f, 0.2f, 0.8f, 0.9f}, {0, 0, 1, 1}), std::vector<float>{0, 0, 1, 1},
              std::vector<float>{0, 0, 0, 0}, {});
  EXPECT_NEAR(ValueOf(metrics, "auc"), 1, 1e-5);
  EXPECT_NEAR(ValueOf(metrics, "auc_precision_recall"), 1, 1e-5);
  EXPECT_EQ(ValueOf(metrics, "accuracy"), 1);
}

TEST(BinaryMetricsTest, NothingCalledPositiveHasPrecisionZero) {
  BinaryMetrics metrics;
  metrics.Add(Predicted({0.1f, 0.2f}, {0, 0}), std::vector<float>{0, 1}, std::vector<float>{0, 0},
              {});
  EXPECT_EQ(ValueOf(metrics, "precision"), 0);
  EXPECT_EQ(ValueOf(metrics, "recall"), 0);
}

TEST(BinaryMetricsTest, LossIsTheMeanOverBatchesNotExamples) {
  BinaryMetrics metrics;
  metrics.AddBatchLoss(40);
  metrics.AddBatchLoss(2);
  EXPECT_EQ(ValueOf(metrics, "loss"), 21);
}

TEST(MultiClassMetricsTest, WeighsExamples) {
  MultiClassMetrics metrics;
  Predictions predictions;
  predictions.num_examples = 3;
  predictions.num_classes = 4;
  predictions.class_ids = {0, 3, 1};
  metrics.Add(predictions, std::vector<float>{0, 2, 1}, std::vector<float>{1, 2, 3},
              std::vector<float>{1, 1, 2});
  metrics.AddBatchLoss(5);
  EXPECT_EQ(metrics.Compute(),
            (MetricValues{{"accuracy", 0.75}, {"average_loss", 9.0 / 4}, {"loss", 5}}));
  EXPECT_EQ(MultiClassMetrics().Compute(),
            (MetricValues{{"accuracy", 0}, {"average_loss", 0}, {"loss", 0}}));
}

TEST(RegressionMetricsTest, WeighsExamples) {
  RegressionMetrics metrics;
  Predictions predictions;
  predictions.num_examples = 2;
  predictions.logits = {3, -1};
  metrics.Add(predictions, std::vector<float>{1, 0}, std::vector<float>{4, 1},
              std::vector<float>{3, 1});
  metrics.AddBatchLoss(2);
  EXPECT_EQ(
      metrics.Compute(),
      (MetricValues{
          {"average_loss", 13.0 / 4}, {"label/mean", 0.75}, {"loss", 2}, {"prediction/mean", 2}}));
}

}  // namespace
}  // namespace dime::models
