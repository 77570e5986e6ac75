#include "worker/input/replica_batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/worker/numbered_batches.h"

namespace dime::worker {
namespace {

using ::testing::ElementsAre;

std::vector<std::int64_t> FirstBatches(const ReplicaShare& share, std::int64_t first_batch) {
  ReplicaBatches batches(std::make_unique<NumberedBatches>(std::nullopt), share, first_batch);
  std::vector<std::int64_t> numbers;
  models::Batch batch;
  for (std::int64_t i = 0; i < 5; ++i) {
    EXPECT_OK(batches.Gather(i, &batch));
    numbers.push_back(batch.num_examples);
  }
  return numbers;
}

TEST(ReplicaBatchesTest, ReplicasTakeTurnsWithinAStep) {
  EXPECT_THAT(FirstBatches({}, 0), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(FirstBatches({.micro_batches = 5, .replica = 0, .num_replicas = 2}, 0),
              ElementsAre(0, 2, 4, 5, 7));
  EXPECT_THAT(FirstBatches({.micro_batches = 5, .replica = 1, .num_replicas = 2}, 0),
              ElementsAre(1, 3, 6, 8, 11));
  EXPECT_THAT(FirstBatches({.micro_batches = 3, .replica = 2, .num_replicas = 3}, 30),
              ElementsAre(32, 35, 38, 41, 44));
}

TEST(ReplicaBatchesTest, OnlyWholeStepsCount) {
  const ReplicaShare share = {.micro_batches = 5, .replica = 0, .num_replicas = 2};
  EXPECT_EQ(ReplicaBatches(std::make_unique<NumberedBatches>(14), share, 0).num_batches(), 6);
  EXPECT_EQ(ReplicaBatches(std::make_unique<NumberedBatches>(14), share, 5).num_batches(), 3);
  EXPECT_EQ(ReplicaBatches(std::make_unique<NumberedBatches>(14), share, 20).num_batches(), 0);
  EXPECT_EQ(ReplicaBatches(std::make_unique<NumberedBatches>(std::nullopt), share, 0).num_batches(),
            std::nullopt);
}

}  // namespace
}  // namespace dime::worker
