#include "worker/input/window_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "tests/worker/record_numbers.h"

namespace dime::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::Ne;

// Blocks of so many examples, of a byte each; the last one may have fewer.
std::vector<BlockSize> Blocks(std::int64_t num_examples, std::int64_t per_block) {
  std::vector<BlockSize> blocks;
  for (std::int64_t first = 0; first < num_examples; first += per_block) {
    const std::int64_t count = std::min(per_block, num_examples - first);
    blocks.push_back({.num_examples = count, .memory_bytes = static_cast<std::uint64_t>(count)});
  }
  return blocks;
}

// The records of a window, by their numbers in the file, in the order in which they come up.
Records RecordsOfWindow(const Window& window, const std::vector<BlockSize>& blocks) {
  Records in_blocks;
  for (const std::size_t block : window.blocks) {
    std::int64_t record = 0;
    for (std::size_t b = 0; b < block; ++b) record += blocks[b].num_examples;
    for (std::int64_t i = 0; i < blocks[block].num_examples; ++i) in_blocks.push_back(record++);
  }
  Records records;
  for (const std::int32_t example : window.examples) {
    records.push_back(in_blocks.at(static_cast<std::size_t>(example)));
  }
  return records;
}

// The records of an epoch, window after window.
Records EpochOf(WindowPlan& plan, const std::vector<BlockSize>& blocks, std::int64_t epoch) {
  Records all;
  Window window;
  while (std::ssize(all) < plan.num_examples()) {
    plan.FindWindow(epoch, std::ssize(all), &window);
    EXPECT_EQ(window.epoch, epoch);
    EXPECT_EQ(window.first, std::ssize(all));
    EXPECT_EQ(window.end, window.first + std::ssize(window.examples));
    const Records records = RecordsOfWindow(window, blocks);
    all.insert(all.end(), records.begin(), records.end());
  }
  return all;
}

Records Sorted(Records records) {
  std::ranges::sort(records);
  return records;
}

TEST(WindowPlanTest, EveryEpochHasEveryRecordOnce) {
  for (const std::int64_t num_examples : {1, 7, 8, 9, 63, 64, 65, 1000}) {
    for (const std::int64_t per_block : {1, 8, 1000}) {
      for (const std::uint64_t window_bytes : {1, 24, 100'000}) {
        const std::vector<BlockSize> blocks = Blocks(num_examples, per_block);
        WindowPlan plan(blocks, window_bytes, /*seed=*/5, Order::kShuffled);
        for (std::int64_t epoch = 0; epoch < 10; ++epoch) {
          ASSERT_EQ(Sorted(EpochOf(plan, blocks, epoch)), Range(num_examples))
              << num_examples << " in blocks of " << per_block << ", windows of " << window_bytes;
        }
      }
    }
  }
}

TEST(WindowPlanTest, AWindowIsNoLargerThanItMayBeUnlessABlockIs) {
  std::vector<BlockSize> blocks;
  for (std::uint64_t i = 0; i < 100; ++i) {
    blocks.push_back({.num_examples = 3, .memory_bytes = i % 10 == 0 ? 1000 : 10 + i});
  }
  WindowPlan plan(blocks, 300, 1, Order::kShuffled);
  Window window;
  for (std::int64_t position = 0; position < plan.num_examples(); position = window.end) {
    plan.FindWindow(2, position, &window);
    std::uint64_t bytes = 0;
    for (const std::size_t block : window.blocks) bytes += blocks[block].memory_bytes;
    EXPECT_TRUE(bytes <= 300 || (bytes == 1000 && window.blocks.size() == 1)) << bytes;
  }
}

TEST(WindowPlanTest, EveryPositionIsFoundInItsWindow) {
  const std::vector<BlockSize> blocks = Blocks(101, 7);
  constexpr std::uint64_t kWindowBytes = 28;
  WindowPlan plan(blocks, kWindowBytes, 1, Order::kShuffled);
  for (std::int64_t epoch = 0; epoch < 20; ++epoch) {
    const Records in_order = EpochOf(plan, blocks, epoch);
    for (std::int64_t position = plan.num_examples() - 1; position >= 0; --position) {
      Window window;
      plan.FindWindow(epoch, position, &window);
      ASSERT_LE(window.first, position);
      ASSERT_GT(window.end, position);
      EXPECT_EQ(
          RecordsOfWindow(window, blocks).at(static_cast<std::size_t>(position - window.first)),
          in_order.at(static_cast<std::size_t>(position)));
    }
  }
}

TEST(WindowPlanTest, OrderIsAFunctionOfSeedAndEpoch) {
  const std::vector<BlockSize> blocks = Blocks(100, 5);
  constexpr std::uint64_t kWindowBytes = 20;
  WindowPlan plan(blocks, kWindowBytes, 1, Order::kShuffled);
  WindowPlan same(blocks, kWindowBytes, 1, Order::kShuffled);
  WindowPlan other_seed(blocks, kWindowBytes, 2, Order::kShuffled);
  const Records first = EpochOf(plan, blocks, 0);
  EXPECT_THAT(EpochOf(plan, blocks, 1), Ne(first));
  EXPECT_EQ(EpochOf(plan, blocks, 0), first);
  EXPECT_EQ(EpochOf(same, blocks, 0), first);
  EXPECT_THAT(EpochOf(other_seed, blocks, 0), Ne(first));
}

// Over many epochs every record comes up in every tenth of the epoch, about equally often.
TEST(WindowPlanTest, ARecordMayComeUpAnywhereInAnEpoch) {
  constexpr std::int64_t kEpochs = 2000, kParts = 10;
  const std::vector<BlockSize> blocks = Blocks(100, 2);
  constexpr std::uint64_t kWindowBytes = 10;
  WindowPlan plan(blocks, kWindowBytes, 1, Order::kShuffled);
  std::vector<std::vector<int>> counts(100, std::vector<int>(kParts));
  for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const Records records = EpochOf(plan, blocks, epoch);
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
  const std::vector<BlockSize> blocks = Blocks(10'000, 100);
  constexpr std::uint64_t kWindowBytes = 2000;
  WindowPlan plan(blocks, kWindowBytes, 1, Order::kShuffled);
  const Records records = EpochOf(plan, blocks, 0);
  int neighbours = 0;
  for (std::size_t i = 1; i < records.size(); ++i) {
    if (records[i] / 100 == records[i - 1] / 100) ++neighbours;  // Of one block.
  }
  EXPECT_LT(neighbours, 700);  // One in 20, 500, where they are mixed well.
}

TEST(WindowPlanTest, AsReadIsTheOrderOfTheFile) {
  const std::vector<BlockSize> blocks = Blocks(23, 4);
  constexpr std::uint64_t kWindowBytes = 8;
  WindowPlan plan(blocks, kWindowBytes, 1, Order::kAsRead);
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    EXPECT_EQ(EpochOf(plan, blocks, epoch), Range(23));
  }
  Window window;
  plan.FindWindow(5, 9, &window);
  EXPECT_THAT(window.blocks, ElementsAre(2, 3));
}

}  // namespace
}  // namespace dime::worker
