#include "worker/input/batch_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "worker/input/example_set.h"
#include "worker/input/example_spill.h"

namespace dime::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;
using ::testing::Ne;
using ::testing::Optional;

constexpr std::int64_t kExamples = 103;

// Example i has the id i, the ids i and i + 1 with weights or none, the value i / 2, the label i
// and the weight i + 1.
models::Batch Examples(std::int64_t first, std::int64_t end) {
  models::Batch batch;
  batch.ids.resize(2);
  batch.ids[1].offsets.push_back(0);
  batch.floats.resize(1);
  for (std::int64_t i = first; i < end; ++i) {
    ++batch.num_examples;
    batch.ids[0].ids.push_back(i);
    if (i % 3 != 0) {
      batch.ids[1].ids.insert(batch.ids[1].ids.end(), {i, i + 1});
      batch.ids[1].weights.insert(batch.ids[1].weights.end(), {0.5f, static_cast<float>(i)});
    }
    batch.ids[1].offsets.push_back(static_cast<std::int32_t>(batch.ids[1].ids.size()));
    batch.floats[0].values.push_back(static_cast<float>(i) / 2);
    batch.labels.push_back(static_cast<float>(i));
    batch.weights.push_back(static_cast<float>(i + 1));
  }
  return batch;
}

// Which examples a batch has; each must be whole.
std::vector<std::int64_t> Numbers(const models::Batch& batch) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t e = 0; e < batch.num_examples; ++e) {
    const auto i = static_cast<std::size_t>(e);
    const std::int64_t number = batch.ids[0].ids.at(i);
    const models::IdColumn& list = batch.ids[1];
    const auto part = [&](const auto& values) {
      return std::vector(values.begin() + list.offsets.at(i),
                         values.begin() + list.offsets.at(i + 1));
    };
    if (number % 3 == 0) {
      EXPECT_THAT(part(list.ids), IsEmpty());
    } else {
      EXPECT_THAT(part(list.ids), ElementsAre(number, number + 1));
      EXPECT_THAT(part(list.weights), ElementsAre(0.5f, static_cast<float>(number)));
    }
    EXPECT_EQ(batch.floats[0].values.at(i), static_cast<float>(number) / 2);
    EXPECT_EQ(batch.labels.at(i), static_cast<float>(number));
    EXPECT_EQ(batch.weights.at(i), static_cast<float>(number + 1));
    numbers.push_back(number);
  }
  return numbers;
}

class BatchSourceTest : public ::testing::Test {
 protected:
  ExampleSet Spilled(std::int64_t examples_per_block, std::uint64_t window_bytes) {
    auto spill = ExampleSpill::Create(storage::LocalFileSystem(), directory_.path());
    EXPECT_OK(spill);
    for (std::int64_t first = 0; first < kExamples; first += examples_per_block) {
      EXPECT_OK((*spill)->Append(Examples(first, std::min(first + examples_per_block, kExamples))));
    }
    return {*std::move(spill), window_bytes};
  }

  static std::vector<std::int64_t> Gather(BatchSource& source, std::int64_t index) {
    models::Batch batch;
    EXPECT_OK(source.Gather(index, &batch));
    return Numbers(batch);
  }

  static std::vector<std::int64_t> GatherAll(BatchSource& source, std::int64_t first,
                                             std::int64_t end) {
    std::vector<std::int64_t> all;
    for (std::int64_t i = first; i < end; ++i) {
      const std::vector<std::int64_t> batch = Gather(source, i);
      all.insert(all.end(), batch.begin(), batch.end());
    }
    return all;
  }

  testing::TempDir directory_;
};

TEST_F(BatchSourceTest, InTheOrderOfTheFileDiskGivesWhatMemoryGives) {
  const ExampleSet memory(Examples(0, kExamples));
  const BatchOptions options = {.batch_size = 10, .num_epochs = 3, .order = Order::kAsRead};
  const auto expected = MakeBatchSource(memory, options);
  for (const std::int64_t per_block : {1, 7, 50, 1000}) {
    const ExampleSet spilled = Spilled(per_block, 1000);
    const auto source = MakeBatchSource(spilled, options);
    EXPECT_EQ(source->num_batches(), expected->num_batches());
    for (std::int64_t i = 0; i < 33; ++i) EXPECT_EQ(Gather(*source, i), Gather(*expected, i)) << i;
  }
}

TEST_F(BatchSourceTest, EveryEpochHasEveryExampleOnceInAnotherOrder) {
  for (const std::uint64_t window_bytes : {1, 500, 2000, 1'000'000}) {
    const ExampleSet spilled = Spilled(8, window_bytes);
    const auto source = MakeBatchSource(
        spilled, {.batch_size = 10, .num_epochs = 4, .seed = 3, .order = Order::kShuffled});
    EXPECT_THAT(source->num_batches(), Optional(42));
    const std::vector<std::int64_t> all = GatherAll(*source, 0, 43);
    ASSERT_EQ(std::ssize(all), 4 * kExamples);
    std::vector<std::int64_t> before;
    for (int epoch = 0; epoch < 4; ++epoch) {
      std::vector<std::int64_t> records(all.begin() + epoch * kExamples,
                                        all.begin() + (epoch + 1) * kExamples);
      EXPECT_THAT(records, Ne(before));
      before = records;
      std::ranges::sort(records);
      for (std::int64_t i = 0; i < kExamples; ++i) {
        ASSERT_EQ(records[static_cast<std::size_t>(i)], i) << window_bytes;
      }
    }
  }
}

TEST_F(BatchSourceTest, AnyBatchCanBeAskedForAtAnyTime) {
  const ExampleSet spilled = Spilled(8, 800);
  const BatchOptions options = {.batch_size = 9, .num_epochs = 0, .seed = 3};
  const auto forward = MakeBatchSource(spilled, options);
  std::vector<std::vector<std::int64_t>> expected;
  for (std::int64_t i = 0; i < 40; ++i) expected.push_back(Gather(*forward, i));
  const auto backward = MakeBatchSource(spilled, options);
  for (std::int64_t i = 39; i >= 0; --i) {
    EXPECT_EQ(Gather(*backward, i), expected[static_cast<std::size_t>(i)]) << i;
    const auto resumed = MakeBatchSource(spilled, options);
    EXPECT_EQ(Gather(*resumed, i), expected[static_cast<std::size_t>(i)]) << i;
  }
}

TEST_F(BatchSourceTest, TheOrderDoesNotDependOnTheBatchSize) {
  const ExampleSet spilled = Spilled(8, 800);
  const auto small = MakeBatchSource(spilled, {.batch_size = 1, .num_epochs = 2, .seed = 3});
  const auto large = MakeBatchSource(spilled, {.batch_size = 206, .num_epochs = 2, .seed = 3});
  EXPECT_EQ(GatherAll(*small, 0, 206), Gather(*large, 0));
}

TEST_F(BatchSourceTest, PastTheEndThereIsNothing) {
  const ExampleSet spilled = Spilled(8, 800);
  const auto source = MakeBatchSource(spilled, {.batch_size = 10, .num_epochs = 1});
  EXPECT_THAT(Gather(*source, 11), IsEmpty());
  EXPECT_THAT(Gather(*source, std::numeric_limits<std::int64_t>::max()), IsEmpty());
  EXPECT_EQ(std::ssize(Gather(*source, 10)), 3);
  const auto endless = MakeBatchSource(spilled, {.batch_size = 10, .num_epochs = 0});
  EXPECT_THAT(endless->num_batches(), Eq(std::nullopt));
  EXPECT_EQ(std::ssize(Gather(*endless, 1'000'000'000'001)), 10);
}

TEST_F(BatchSourceTest, ASourceMayEndWhileItReadsAhead) {
  const ExampleSet spilled = Spilled(1, 2000);
  for (int i = 0; i < 50; ++i) {
    const auto source = MakeBatchSource(spilled, {.batch_size = 1, .num_epochs = 0});
    EXPECT_EQ(std::ssize(Gather(*source, i)), 1);
  }
}

TEST_F(BatchSourceTest, ACursorReadsInOrderFromMemoryAndFromDisk) {
  const ExampleSet memory(Examples(0, kExamples));
  const ExampleSet spilled = Spilled(8, 800);
  EXPECT_EQ(spilled.size(), kExamples);
  for (const ExampleSet* const set : {&memory, &spilled}) {
    ExampleCursor cursor(*set);
    models::Batch batch;
    ASSERT_OK(cursor.Next(3, &batch));
    EXPECT_THAT(Numbers(batch), ElementsAre(0, 1, 2));
    ASSERT_OK(cursor.Next(97, &batch));
    EXPECT_EQ(std::ssize(Numbers(batch)), 97);
    ASSERT_OK(cursor.Next(1000, &batch));
    EXPECT_THAT(Numbers(batch), ElementsAre(100, 101, 102));
    ASSERT_OK(cursor.Next(5, &batch));
    EXPECT_EQ(batch.num_examples, 0);
    EXPECT_EQ(batch.ids.size(), 2u);
  }
}

}  // namespace
}  // namespace dime::worker
