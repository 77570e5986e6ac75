#include "worker/input/example_block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "tests/support/status_matchers.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::testing::HasSubstr;

// Columns of all sorts: narrow ids, wide ones, lists with weights, floats of two dimensions.
models::Batch ThreeExamples() {
  models::Batch batch;
  batch.num_examples = 3;
  batch.ids = {{.ids = {1, -1, 2'000'000'000}, .offsets = {}, .weights = {}},
               {.ids = {1, std::int64_t{1} << 40, -1}, .offsets = {}, .weights = {}},
               {.ids = {7, 8, 9, 10}, .offsets = {0, 3, 3, 4}, .weights = {1, 0.25f, 3, 4}}};
  batch.floats = {{.dim = 1, .values = {0.5f, -0.0f, 3}}, {.dim = 2, .values = {1, 2, 3, 4, 5, 6}}};
  batch.labels = {0, 1, 0};
  batch.weights = {1, 2, 0.5f};
  batch.records = {5, 6, 7};
  return batch;
}

void ExpectSameExamples(const models::Batch& batch, const models::Batch& expected) {
  EXPECT_EQ(batch.num_examples, expected.num_examples);
  ASSERT_EQ(batch.ids.size(), expected.ids.size());
  for (std::size_t c = 0; c < expected.ids.size(); ++c) {
    EXPECT_EQ(batch.ids[c].ids, expected.ids[c].ids);
    EXPECT_EQ(batch.ids[c].offsets, expected.ids[c].offsets);
    EXPECT_EQ(batch.ids[c].weights, expected.ids[c].weights);
  }
  ASSERT_EQ(batch.floats.size(), expected.floats.size());
  for (std::size_t c = 0; c < expected.floats.size(); ++c) {
    EXPECT_EQ(batch.floats[c].dim, expected.floats[c].dim);
    EXPECT_EQ(batch.floats[c].values, expected.floats[c].values);
  }
  EXPECT_EQ(batch.labels, expected.labels);
  EXPECT_EQ(batch.weights, expected.weights);
  EXPECT_EQ(batch.records, expected.records);
}

TEST(ExampleBlockTest, ExamplesComeBackAsTheyWere) {
  models::Batch read = ThreeExamples();
  read.num_examples = 99;  // What was there before does not matter.
  read.ids.emplace_back();
  ASSERT_OK(DecodeExamples(EncodeExamples(ThreeExamples()), &read));
  ExpectSameExamples(read, ThreeExamples());
  models::Batch none;
  ASSERT_OK(DecodeExamples(EncodeExamples(none), &read));
  ExpectSameExamples(read, none);
}

TEST(ExampleBlockTest, EveryFlippedBitAndEveryCutIsFound) {
  const std::string bytes = EncodeExamples(ThreeExamples());
  models::Batch read;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_THAT(DecodeExamples(damaged, &read),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("damaged")));
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(DecodeExamples(bytes.substr(0, size), &read),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("damaged")));
  }
}

TEST(ExampleBlockTest, MemoryIsThatOfTheValues) {
  const std::uint64_t of_each = 2 * 8 + 4 + 3 * 4 + 4 + 4 + 8;  // An offset is 4 bytes, too.
  EXPECT_EQ(MemoryBytes(ThreeExamples()), 3 * of_each + 4 * (8 + 4));
  EXPECT_EQ(MemoryBytes(ThreeExamples(), 0, 1), of_each + 3 * (8 + 4));
  EXPECT_EQ(MemoryBytes(ThreeExamples(), 1, 3), 2 * of_each + 1 * (8 + 4));
  EXPECT_EQ(MemoryBytes(ThreeExamples(), 2, 2), 0u);
}

}  // namespace
}  // namespace dime::worker
