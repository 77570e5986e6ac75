#include "worker/input/prefetcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/model.h"
#include "tests/support/status_matchers.h"
#include "tests/worker/small_model.h"
#include "worker/input/batch_schedule.h"
#include "worker/input/example_set.h"

namespace dime::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

class PrefetcherTest : public ::testing::Test {
 protected:
  // Record i has size i.
  static models::Batch Examples(const models::Model& model, int count) {
    models::Batch examples = model.encoder().NewBatch();
    for (int i = 0; i < count; ++i) {
      const std::string color = std::string(1, static_cast<char>('a' + i % 5));
      const std::string size = std::to_string(i);
      const std::vector<std::string_view> fields = {color, size, "yes"};
      EXPECT_EQ(model.encoder().AppendFields(fields, models::LabelUse::kRequired, &examples),
                std::nullopt);
    }
    return examples;
  }

  static std::vector<float> SizesOf(const PreparedBatch& batch) {
    return batch.batch.floats[0].values;
  }

  std::unique_ptr<BatchSource> Source(std::int64_t batch_size, std::int64_t num_epochs,
                                      Order order = Order::kAsRead) const {
    return MakeBatchSource(
        examples_, {.batch_size = batch_size, .num_epochs = num_epochs, .seed = 1, .order = order});
  }

  const models::Model model_{testing::SmallDescription()};
  const ExampleSet examples_{Examples(model_, 10)};
};

TEST_F(PrefetcherTest, GivesEveryBatchInOrderAndThenNone) {
  for (const int depth : {1, 2, 3, 16}) {
    Prefetcher prefetcher(model_, Source(4, 1), 0, depth);
    const PreparedBatch* batch = prefetcher.Next();
    ASSERT_NE(batch, nullptr);
    EXPECT_THAT(SizesOf(*batch), ElementsAre(0, 1, 2, 3));
    batch = prefetcher.Next();
    ASSERT_NE(batch, nullptr);
    EXPECT_THAT(SizesOf(*batch), ElementsAre(4, 5, 6, 7));
    batch = prefetcher.Next();
    ASSERT_NE(batch, nullptr);
    EXPECT_THAT(SizesOf(*batch), ElementsAre(8, 9));
    EXPECT_EQ(prefetcher.Next(), nullptr);
    EXPECT_EQ(prefetcher.Next(), nullptr);
  }
}

TEST_F(PrefetcherTest, EqualsTheScheduleAndTheModelsLookups) {
  constexpr std::int64_t kBatches = 3000;
  BatchSchedule schedule(examples_.size(), 3, 0, 1, Order::kShuffled);
  Prefetcher prefetcher(model_, Source(3, 0, Order::kShuffled), 0, 4);
  models::Workspace workspace;
  models::Batch expected_batch;
  ops::Lookups expected;
  std::vector<std::int64_t> records;
  for (std::int64_t i = 0; i < kBatches; ++i) {
    const PreparedBatch* const batch = prefetcher.Next();
    ASSERT_NE(batch, nullptr);
    schedule.RecordsOf(i, &records);
    models::GatherExamples(*examples_.in_memory(), records, &expected_batch);
    model_.MakeLookups(expected_batch, &workspace, &expected);
    ASSERT_EQ(SizesOf(*batch), expected_batch.floats[0].values) << "batch " << i;
    ASSERT_EQ(batch->lookups.tables.size(), expected.tables.size());
    for (std::size_t t = 0; t < expected.tables.size(); ++t) {
      ASSERT_EQ(batch->lookups.tables[t].ids, expected.tables[t].ids);
    }
  }
}

TEST_F(PrefetcherTest, StartsAtTheBatchAskedFor) {
  Prefetcher prefetcher(model_, Source(4, 0), 2, 2);
  EXPECT_THAT(SizesOf(*prefetcher.Next()), ElementsAre(8, 9, 0, 1));
}

TEST_F(PrefetcherTest, PastTheEndThereIsNothing) {
  Prefetcher prefetcher(model_, Source(4, 1), 3, 2);
  EXPECT_EQ(prefetcher.Next(), nullptr);
}

TEST_F(PrefetcherTest, TheBatchBeforeStaysUntilTheCallAfterNext) {
  for (const int depth : {1, 2, 7}) {
    Prefetcher prefetcher(model_, Source(1, 0), 0, depth);
    const PreparedBatch* before = prefetcher.Next();
    for (int i = 1; i < 500; ++i) {
      const PreparedBatch* const batch = prefetcher.Next();
      EXPECT_THAT(SizesOf(*before), ElementsAre(static_cast<float>((i - 1) % 10)));
      EXPECT_THAT(SizesOf(*batch), ElementsAre(static_cast<float>(i % 10)));
      before = batch;
    }
  }
}

TEST_F(PrefetcherTest, EndsWhetherAnythingWasTakenOrNot) {
  for (int taken = 0; taken < 10; ++taken) {
    Prefetcher prefetcher(model_, Source(1, 0), 0, 3);
    for (int i = 0; i < taken; ++i) EXPECT_NE(prefetcher.Next(), nullptr);
  }
}

class FailingSource : public BatchSource {
 public:
  explicit FailingSource(std::unique_ptr<BatchSource> source) : source_(std::move(source)) {}
  [[nodiscard]] std::optional<std::int64_t> num_batches() const override { return std::nullopt; }
  absl::Status Gather(std::int64_t index, models::Batch* batch) override {
    return index < 2 ? source_->Gather(index, batch) : base::DataLoss("batch {}", index);
  }

 private:
  std::unique_ptr<BatchSource> source_;
};

TEST_F(PrefetcherTest, AFailureComesAfterTheGoodBatches) {
  Prefetcher prefetcher(model_, std::make_unique<FailingSource>(Source(3, 0)), 0, 4);
  EXPECT_THAT(SizesOf(*prefetcher.Next()), ElementsAre(0, 1, 2));
  EXPECT_THAT(SizesOf(*prefetcher.Next()), ElementsAre(3, 4, 5));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(prefetcher.Next(), nullptr);
    EXPECT_THAT(prefetcher.status(),
                testing::StatusIs(absl::StatusCode::kDataLoss, ::testing::Eq("batch 2")));
  }
}

TEST_F(PrefetcherTest, BatchesAreReused) {
  Prefetcher prefetcher(model_, Source(2, 0), 0, 3);
  std::vector<const PreparedBatch*> first;
  for (int i = 0; i < 5; ++i) first.push_back(prefetcher.Next());
  std::vector<const PreparedBatch*> second;
  for (int i = 0; i < 5; ++i) second.push_back(prefetcher.Next());
  EXPECT_THAT(second, ElementsAreArray(first));
}

}  // namespace
}  // namespace dime::worker
