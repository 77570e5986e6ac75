#include "worker/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/worker/small_census.h"
#include "tests/worker/small_dataset.h"
#include "worker/in_process_store.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::testing::HasSubstr;

constexpr int kNumExamples = 9001;  // More than one exchange's worth, and odd.

// Answers from tables, and fails the test when asked to change them.
class ReadOnlyStore final : public ParameterStore {
 public:
  explicit ReadOnlyStore(const models::Model& model)
      : store_(*InProcessStore::Create(model.tables(), /*seed=*/7)) {}

  absl::StatusOr<ops::Rows> Exchange(const Push* push, const Pull& pull) override {
    EXPECT_EQ(push, nullptr) << "an evaluation has nothing to push";
    ++num_exchanges;
    if (num_exchanges == fails_at) return base::Unavailable("ps-1 did not answer");
    if (num_exchanges == stops_at) stop.request_stop();
    return store_->Exchange(push, pull);
  }
  [[nodiscard]] std::int64_t version() const override { return store_->version(); }
  [[nodiscard]] ps::RowAccess& rows() override { return store_->rows(); }

  int num_exchanges = 0;
  int fails_at = 0;
  int stops_at = 0;
  std::stop_source stop;

 private:
  std::unique_ptr<InProcessStore> store_;
};

double Value(const models::MetricValues& metrics, const std::string& name) {
  for (const auto& [key, value] : metrics) {
    if (key == name) return value;
  }
  ADD_FAILURE() << "no metric " << name;
  return std::numeric_limits<double>::quiet_NaN();
}

// The logit of each example by itself: one forward pass an example.
std::vector<double> LogitsOneByOne(const models::Model& model, const models::Batch& examples,
                                   ParameterStore& store, std::int64_t count) {
  base::ThreadPool pool(1);
  models::Workspace workspace;
  models::Batch one;
  ops::Lookups lookups;
  std::vector<double> logits;
  for (std::int64_t e = 0; e < count; ++e) {
    models::GatherExamples(examples, std::span(&e, 1), &one);
    model.MakeLookups(one, &workspace, &lookups);
    const auto rows = store.Exchange(nullptr, {.lookups = &lookups});
    EXPECT_OK(rows);
    float logit = 0;
    model.Forward(one, lookups, *rows, &pool, &workspace, std::span(&logit, 1));
    logits.push_back(static_cast<double>(logit));
  }
  return logits;
}

double CrossEntropy(double logit, double label) {
  return std::max(logit, 0.0) - logit * label + std::log1p(std::exp(-std::abs(logit)));
}

class EvaluatorTest : public ::testing::Test {
 protected:
  static models::ModelDescription Describe(models::LossReduction reduction) {
    models::ModelDescription description = testing::SmallCensus();
    description.estimator.loss_reduction = reduction;
    return description;
  }

  absl::StatusOr<models::MetricValues> EvaluateWith(const EvaluationOptions& options,
                                                    int num_threads = 1) {
    base::ThreadPool pool(num_threads);
    return Evaluate(model_, ExampleSet(examples_), options, store_, pool);
  }

  models::MetricValues Metrics(std::int64_t batch_size, std::int64_t steps, int num_threads = 1) {
    auto metrics =
        EvaluateWith({.batch_size = batch_size, .steps = steps, .stop = {}}, num_threads);
    EXPECT_OK(metrics);
    return *std::move(metrics);
  }

  models::Model model_{Describe(models::LossReduction::kMean)};
  models::Batch examples_ = testing::SmallDataset(model_, kNumExamples);
  ReadOnlyStore store_{model_};
};

TEST_F(EvaluatorTest, MetricsAreThoseOfTheExamplesOneByOne) {
  constexpr std::int64_t kBatchSize = 40, kSteps = 3, kCount = kBatchSize * kSteps;
  const std::vector<double> logits = LogitsOneByOne(model_, examples_, store_, kCount);
  double correct = 0, loss = 0, label_sum = 0, prediction_sum = 0;
  for (std::size_t e = 0; e < kCount; ++e) {
    const double label = examples_.labels[e];
    correct += (logits[e] > 0) == (label > 0.5);
    loss += CrossEntropy(logits[e], label);
    label_sum += label;
    prediction_sum += 1 / (1 + std::exp(-logits[e]));
  }
  const models::MetricValues metrics = Metrics(kBatchSize, kSteps);
  EXPECT_DOUBLE_EQ(Value(metrics, "accuracy"), correct / kCount);
  EXPECT_DOUBLE_EQ(Value(metrics, "label/mean"), label_sum / kCount);
  EXPECT_NEAR(Value(metrics, "prediction/mean"), prediction_sum / kCount, 1e-6);
  EXPECT_NEAR(Value(metrics, "average_loss"), loss / kCount, 1e-5 * (1 + loss / kCount));
}

// Three batches, the last one shorter: its mean weighs as much as each other one's.
TEST_F(EvaluatorTest, LossIsTheMeanOverBatchesOfTheTrainingLoss) {
  constexpr std::int64_t kCount = 100, kBatchSize = 40;
  std::vector<std::int64_t> first(kCount);
  std::iota(first.begin(), first.end(), std::int64_t{0});
  const models::Batch all = examples_;
  models::GatherExamples(all, first, &examples_);
  for (std::int64_t e = 0; e < kCount; ++e) {
    examples_.weights.push_back(0.5f + static_cast<float>(e % 3));
  }
  const std::vector<double> logits = LogitsOneByOne(model_, examples_, store_, kCount);
  using models::LossReduction;
  for (const auto reduction :
       {LossReduction::kMean, LossReduction::kWeightedMean, LossReduction::kSum}) {
    double loss_of_batches = 0, loss_of_all = 0, weight_of_all = 0;
    for (std::int64_t start = 0; start < kCount; start += kBatchSize) {
      double loss = 0, weight = 0;
      const std::int64_t end = std::min(start + kBatchSize, kCount);
      for (std::int64_t e = start; e < end; ++e) {
        const auto at = static_cast<std::size_t>(e);
        loss += examples_.weights[at] * CrossEntropy(logits[at], examples_.labels[at]);
        weight += examples_.weights[at];
      }
      loss_of_batches += reduction == LossReduction::kMean ? loss / static_cast<double>(end - start)
                         : reduction == LossReduction::kWeightedMean ? loss / weight
                                                                     : loss;
      loss_of_all += loss;
      weight_of_all += weight;
    }
    const models::Model model(Describe(reduction));
    base::ThreadPool pool(1);
    ASSERT_OK_AND_ASSIGN(
        const models::MetricValues metrics,
        Evaluate(model, ExampleSet(examples_), {.batch_size = kBatchSize, .steps = 0, .stop = {}},
                 store_, pool));
    EXPECT_NEAR(Value(metrics, "loss"), loss_of_batches / 3, 1e-5 * (1 + loss_of_batches));
    EXPECT_NEAR(Value(metrics, "average_loss"), loss_of_all / weight_of_all,
                1e-5 * (1 + loss_of_all / weight_of_all));
  }
}

TEST_F(EvaluatorTest, AnyNumberOfThreadsGivesTheSameMetrics) {
  const models::MetricValues one = Metrics(40, 0, 1);
  for (const int num_threads : {2, 3, 5}) EXPECT_EQ(Metrics(40, 0, num_threads), one);
}

TEST_F(EvaluatorTest, TheBatchSizeMattersToTheLossAlone) {
  const models::MetricValues small = Metrics(40, 0);
  for (const std::int64_t batch_size : {1, 4096, 4097, kNumExamples, 1 << 20}) {
    for (const auto& [name, value] : Metrics(batch_size, 0)) {
      if (name == "loss") continue;
      EXPECT_EQ(value, Value(small, name)) << name << " with batches of " << batch_size;
    }
  }
}

TEST_F(EvaluatorTest, TakesTheFirstExamplesAndNoMore) {
  const models::MetricValues before = Metrics(40, 100);
  EXPECT_NE(Metrics(40, 0), before);
  for (std::size_t e = 4000; e < examples_.labels.size(); ++e) {
    examples_.labels[e] = 1 - examples_.labels[e];
  }
  EXPECT_EQ(Metrics(40, 100), before);
  examples_.labels[3999] = 1 - examples_.labels[3999];
  EXPECT_NE(Metrics(40, 100), before);
}

TEST_F(EvaluatorTest, MoreStepsThanExamplesTakeThemAll) {
  const models::MetricValues all = Metrics(40, 0);
  constexpr auto kHuge = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t steps : {std::int64_t{226}, std::int64_t{1} << 40, kHuge}) {
    EXPECT_EQ(Metrics(40, steps), all) << steps;
  }
  EXPECT_EQ(Metrics(kHuge, kHuge), Metrics(kNumExamples, 1));
}

TEST_F(EvaluatorTest, AsksTheStoreForManyExamplesAtOnce) {
  Metrics(40, 0);
  EXPECT_EQ(store_.num_exchanges, 3);
}

TEST_F(EvaluatorTest, StopsBetweenTwoExchanges) {
  store_.stops_at = 2;
  EXPECT_THAT(EvaluateWith({.batch_size = 40, .steps = 0, .stop = store_.stop.get_token()}),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("evaluating")));
  EXPECT_EQ(store_.num_exchanges, 2);
}

TEST_F(EvaluatorTest, AStoreThatFailsEndsIt) {
  store_.fails_at = 3;
  EXPECT_THAT(EvaluateWith({.batch_size = 40, .steps = 0, .stop = {}}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("ps-1 did not answer")));
}

}  // namespace
}  // namespace dime::worker
