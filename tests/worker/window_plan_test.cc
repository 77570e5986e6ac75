#include "worker/input/window_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace dime::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::Ne;

using Records = std::vector<std::int64_t>;

// The records of a window, by their numbers in the file, in the order in which they come up.
Records RecordsOf(const Window& window, const WindowShape& shape) {
  Records in_blocks;
  for (const std::int64_t block : window.blocks) {
    const std::int64_t first = block * shape.examples_per_block;
    const std::int64_t end = std::min(first + shape.examples_per_block, shape.num_examples);
    for (std::int64_t record = first; record < end; ++record) in_blocks.push_back(record);
  }
  Records records;
  for (const std::int32_t example : window.examples) {
    records.push_back(in_blocks.at(static_cast<std::size_t>(example)));
  }
  return records;
}

// The records of an epoch, window after window.
Records EpochOf(WindowPlan& plan, const WindowShape& shape, std::int64_t epoch) {
  Records all;
  Window window;
  while (std::ssize(all) < shape.num_examples) {
    plan.FindWindow(epoch, std::ssize(all), &window);
    EXPECT_EQ(window.epoch, epoch);
    EXPECT_EQ(window.first, std::ssize(all));
    EXPECT_EQ(window.end, window.first + std::ssize(window.examples));
    EXPECT_LE(std::ssize(window.blocks), shape.blocks_per_window);
    const Records records = RecordsOf(window, shape);
    all.insert(all.end(), records.begin(), records.end());
  }
  return all;
}

Records Range(std::int64_t count) {
  Records records(static_cast<std::size_t>(count));
  std::iota(records.begin(), records.end(), 0);
  return records;
}

Records Sorted(Records records) {
  std::ranges::sort(records);
  return records;
}

TEST(WindowPlanTest, EveryEpochHasEveryRecordOnce) {
  for (const std::int64_t num_examples : {1, 7, 8, 9, 63, 64, 65, 1000}) {
    for (const std::int64_t per_block : {1, 8, 1000}) {
      for (const std::int64_t per_window : {1, 3, 1000}) {
        const WindowShape shape = {num_examples, per_block, per_window};
        WindowPlan plan(shape, /*seed=*/5, Order::kShuffled);
        for (std::int64_t epoch = 0; epoch < 10; ++epoch) {
          ASSERT_EQ(Sorted(EpochOf(plan, shape, epoch)), Range(num_examples))
              << num_examples << " in blocks of " << per_block << ", windows of " << per_window;
        }
      }
    }
  }
}

TEST(WindowPlanTest, EveryPositionIsFoundInItsWindow) {
  const WindowShape shape = {.num_examples = 101, .examples_per_block = 7, .blocks_per_window = 4};
  WindowPlan plan(shape, 1, Order::kShuffled);
  for (std::int64_t epoch = 0; epoch < 20; ++epoch) {
    const Records in_order = EpochOf(plan, shape, epoch);
    for (std::int64_t position = shape.num_examples - 1; position >= 0; --position) {
      Window window;
      plan.FindWindow(epoch, position, &window);
      ASSERT_LE(window.first, position);
      ASSERT_GT(window.end, position);
      EXPECT_EQ(RecordsOf(window, shape).at(static_cast<std::size_t>(position - window.first)),
                in_order.at(static_cast<std::size_t>(position)));
    }
  }
}

TEST(WindowPlanTest, OrderIsAFunctionOfSeedAndEpoch) {
  const WindowShape shape = {.num_examples = 100, .examples_per_block = 5, .blocks_per_window = 4};
  WindowPlan plan(shape, 1, Order::kShuffled);
  WindowPlan same(shape, 1, Order::kShuffled);
  WindowPlan other_seed(shape, 2, Order::kShuffled);
  const Records first = EpochOf(plan, shape, 0);
  EXPECT_THAT(EpochOf(plan, shape, 1), Ne(first));
  EXPECT_EQ(EpochOf(plan, shape, 0), first);
  EXPECT_EQ(EpochOf(same, shape, 0), first);
  EXPECT_THAT(EpochOf(other_seed, shape, 0), Ne(first));
}

// Over many epochs every record comes up in every tenth of the epoch, about equally often.
TEST(WindowPlanTest, ARecordMayComeUpAnywhereInAnEpoch) {
  constexpr std::int64_t kEpochs = 2000, kParts = 10;
  const WindowShape shape = {.num_examples = 100, .examples_per_block = 2, .blocks_per_window = 5};
  WindowPlan plan(shape, 1, Order::kShuffled);
  std::vector<std::vector<int>> counts(100, std::vector<int>(kParts));
  for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const Records records = EpochOf(plan, shape, epoch);
    for (std::size_t i = 0; i < records.size(); ++i) {
      ++counts[static_cast<std::size_t>(records[i])][i * kParts / records.size()];
    }
  }
  for (const std::vector<int>& of_record : counts) {
    for (const int count : of_record) {
      EXPECT_GT(count, 100);  // 200 are expected, give or take 13.
      EXPECT_LT(count, 300);
    }
  }
}

TEST(WindowPlanTest, NeighboursAreMixedWithinAWindow) {
  const WindowShape shape = {
      .num_examples = 10'000, .examples_per_block = 100, .blocks_per_window = 20};
  WindowPlan plan(shape, 1, Order::kShuffled);
  const Records records = EpochOf(plan, shape, 0);
  int neighbours = 0;
  for (std::size_t i = 1; i < records.size(); ++i) {
    if (records[i] / 100 == records[i - 1] / 100) ++neighbours;  // Of one block.
  }
  EXPECT_LT(neighbours, 700);  // One in 20, 500, where they are mixed well.
}

TEST(WindowPlanTest, AsReadIsTheOrderOfTheFile) {
  const WindowShape shape = {.num_examples = 23, .examples_per_block = 4, .blocks_per_window = 2};
  WindowPlan plan(shape, 1, Order::kAsRead);
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    EXPECT_EQ(EpochOf(plan, shape, epoch), Range(23));
  }
  Window window;
  plan.FindWindow(5, 9, &window);
  EXPECT_THAT(window.blocks, ElementsAre(2, 3));
}

}  // namespace
}  // namespace dime::worker
