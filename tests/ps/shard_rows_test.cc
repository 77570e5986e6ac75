#include "ps/shard_rows.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

#include "ps/internal/id_hash.h"
#include "tests/support/status_matchers.h"

namespace dime::ps {
namespace {

using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kShardNumber = 3;

ops::TableSpec ShardRowsSpec() {
  return {.name = "clicks",
          .shape = {0, 2},
          .dim = 2,
          .optimizer = {.kind = ops::OptimizerKind::kAdagrad},
          .unbounded = ops::UnboundedRows{.max_bytes = 1 << 20}};
}

// Two rows, after ten steps.
ShardRows GoodRows() {
  ShardRows rows = {.step = 10, .last_updates = {0, 10}, .records = std::vector<float>(8, 0.5f)};
  for (std::int64_t id = 0; rows.ids.size() < 2; ++id) {
    if (internal::VirtualShardOf(internal::HashOfId(id)) == kShardNumber) rows.ids.push_back(id);
  }
  return rows;
}

absl::Status Check(const ShardRows& rows) {
  return CheckShard(ShardRowsSpec(), kShardNumber, rows);
}

TEST(ShardRowsTest, WhatATableHasPasses) {
  EXPECT_OK(Check(GoodRows()));
  EXPECT_OK(Check({}));
}

TEST(ShardRowsTest, RowsOfALaterStepOrOfNoneAreDamage) {
  for (const std::int64_t bad : {std::int64_t{11}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    ShardRows rows = GoodRows();
    rows.last_updates[1] = bad;
    EXPECT_THAT(Check(rows),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr("shard 3 of table 'clicks'"), HasSubstr("10 steps"))));
  }
}

TEST(ShardRowsTest, CountsThatDifferAreDamage) {
  ShardRows rows = GoodRows();
  rows.last_updates.pop_back();
  EXPECT_THAT(Check(rows), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("shard")));
  rows = GoodRows();
  rows.records.pop_back();
  EXPECT_THAT(Check(rows), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("shard")));
}

TEST(ShardRowsTest, IdsOutOfOrderTwiceOrOfAnotherShardAreDamage) {
  ShardRows rows = GoodRows();
  std::swap(rows.ids[0], rows.ids[1]);
  EXPECT_THAT(Check(rows), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("shard")));
  rows = GoodRows();
  rows.ids[0] = rows.ids[1];
  EXPECT_THAT(Check(rows), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("shard")));
  EXPECT_THAT(CheckShard(ShardRowsSpec(), kShardNumber + 1, GoodRows()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("shard")));
}

}  // namespace
}  // namespace dime::ps
