#include "worker/input/batch_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "tests/worker/record_numbers.h"

namespace dime::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

Records RecordsOf(BatchSchedule& schedule, std::int64_t index) {
  Records records = {-7};
  schedule.RecordsOf(index, &records);
  return records;
}

// Batches first .. last - 1, one after another.
Records Concatenated(BatchSchedule& schedule, std::int64_t first, std::int64_t last) {
  Records all;
  for (std::int64_t i = first; i < last; ++i) {
    const Records records = RecordsOf(schedule, i);
    all.insert(all.end(), records.begin(), records.end());
  }
  return all;
}

TEST(BatchScheduleTest, EpochsFollowEachOtherWithoutAGap) {
  BatchSchedule schedule(5, 3, 2, 1, Order::kAsRead);
  EXPECT_THAT(schedule.num_batches(), Optional(4));
  EXPECT_THAT(RecordsOf(schedule, 0), ElementsAre(0, 1, 2));
  EXPECT_THAT(RecordsOf(schedule, 1), ElementsAre(3, 4, 0));
  EXPECT_THAT(RecordsOf(schedule, 2), ElementsAre(1, 2, 3));
  EXPECT_THAT(RecordsOf(schedule, 3), ElementsAre(4));
  EXPECT_THAT(RecordsOf(schedule, 4), IsEmpty());
  EXPECT_THAT(RecordsOf(schedule, std::numeric_limits<std::int64_t>::max()), IsEmpty());
}

TEST(BatchScheduleTest, WholeBatchesEndExactly) {
  BatchSchedule schedule(4, 2, 1, 1, Order::kAsRead);
  EXPECT_THAT(schedule.num_batches(), Optional(2));
  EXPECT_THAT(RecordsOf(schedule, 1), ElementsAre(2, 3));
  EXPECT_THAT(RecordsOf(schedule, 2), IsEmpty());
}

TEST(BatchScheduleTest, ABatchMayHoldSeveralEpochs) {
  BatchSchedule schedule(2, 5, 0, 1, Order::kAsRead);
  EXPECT_THAT(schedule.num_batches(), Eq(std::nullopt));
  EXPECT_THAT(RecordsOf(schedule, 0), ElementsAre(0, 1, 0, 1, 0));
  EXPECT_THAT(RecordsOf(schedule, 1), ElementsAre(1, 0, 1, 0, 1));
  EXPECT_THAT(RecordsOf(schedule, 1'000'000'000'001), ElementsAre(1, 0, 1, 0, 1));
}

TEST(BatchScheduleTest, EveryEpochHasEveryRecordOnceInAnotherOrder) {
  constexpr std::int64_t kRecords = 100;
  BatchSchedule schedule(kRecords, 10, 0, 7, Order::kShuffled);
  const Records first = Concatenated(schedule, 0, 10);
  const Records second = Concatenated(schedule, 10, 20);
  EXPECT_THAT(first, UnorderedElementsAreArray(Range(kRecords)));
  EXPECT_THAT(second, UnorderedElementsAreArray(Range(kRecords)));
  EXPECT_NE(first, Range(kRecords));
  EXPECT_NE(first, second);
}

TEST(BatchScheduleTest, OrderDependsOnSeedAndEpochAlone) {
  BatchSchedule a(50, 7, 0, 3, Order::kShuffled);
  BatchSchedule same_records_other_batches(50, 50, 0, 3, Order::kShuffled);
  BatchSchedule other_seed(50, 7, 0, 4, Order::kShuffled);
  Records two_epochs = Concatenated(a, 0, 15);
  two_epochs.resize(100);
  EXPECT_EQ(two_epochs, Concatenated(same_records_other_batches, 0, 2));
  EXPECT_NE(Concatenated(other_seed, 0, 7), Concatenated(a, 0, 7));
}

TEST(BatchScheduleTest, AnyBatchCanBeAskedForAtAnyTime) {
  BatchSchedule forward(11, 4, 0, 9, Order::kShuffled);
  std::vector<Records> expected;
  for (std::int64_t i = 0; i < 12; ++i) expected.push_back(RecordsOf(forward, i));
  BatchSchedule backward(11, 4, 0, 9, Order::kShuffled);
  for (std::int64_t i = 11; i >= 0; --i) {
    EXPECT_EQ(RecordsOf(backward, i), expected[static_cast<std::size_t>(i)]) << "batch " << i;
  }
}

TEST(BatchScheduleTest, OneRecordIsABatchToo) {
  BatchSchedule schedule(1, 1, 2, 1, Order::kShuffled);
  EXPECT_THAT(schedule.num_batches(), Optional(2));
  EXPECT_THAT(RecordsOf(schedule, 1), ElementsAre(0));
  EXPECT_THAT(RecordsOf(schedule, 2), IsEmpty());
}

TEST(BatchScheduleTest, NoRecordsHaveNoBatches) {
  for (const std::int64_t num_epochs : {0, 3}) {
    BatchSchedule schedule(0, 10, num_epochs, 1, Order::kShuffled);
    EXPECT_THAT(schedule.num_batches(), Optional(0));
    EXPECT_THAT(RecordsOf(schedule, 0), IsEmpty());
  }
}

TEST(BatchScheduleTest, MoreEpochsThanCanBeCountedAreWithoutEnd) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  BatchSchedule schedule(10, 4, kMax, 1, Order::kAsRead);
  EXPECT_THAT(RecordsOf(schedule, 2), ElementsAre(8, 9, 0, 1));
  ASSERT_TRUE(schedule.num_batches().has_value());
  EXPECT_EQ(*schedule.num_batches(), kMax / 4 + 1);
}

}  // namespace
}  // namespace dime::worker
