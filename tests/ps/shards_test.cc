#include "ps/shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "tests/ps/tables.h"
#include "tests/support/status_matchers.h"

namespace dime::ps {
namespace {

using Kind = cluster::Consistency::Kind;

using ::testing::ElementsAre;

const ops::OptimizerSpec kUnitSgd = {.kind = ops::OptimizerKind::kSgd, .learning_rate = 1.0f};

std::vector<ops::TableSpec> Specs(const ops::OptimizerSpec& optimizer) {
  return {{.name = "rows", .shape = {10, 2}, .num_rows = 10, .dim = 2, .optimizer = optimizer},
          {.name = "dense",
           .shape = {3},
           .num_rows = 1,
           .dim = 3,
           .dense = true,
           .optimizer = optimizer}};
}

std::unique_ptr<Shards> NewShards(const std::vector<ops::TableSpec>& specs,
                                  const ConsistencyOptions& options) {
  auto shards = Shards::Create(specs, Sharding(specs, 1), 0, 1, options);
  EXPECT_OK(shards);
  return *std::move(shards);
}

struct Gradients {
  std::vector<std::int64_t> rows;
  std::vector<float> values;
  std::vector<float> dense;
};

absl::Status Push(Shards& shards, const Gradients& gradients, int replica, std::int64_t step,
                  int micro_batch, std::int64_t pulled_version = 0) {
  const TableGradients tables[] = {{gradients.rows, gradients.values}, {{}, gradients.dense}};
  return shards.Push({.replica = replica,
                      .step = step,
                      .micro_batch = micro_batch,
                      .pulled_version = pulled_version,
                      .tables = tables});
}

std::vector<float> WeightsOfAllTables(const Shards& shards) {
  std::vector<float> values(20 + 3);
  shards.tables()[0]->CopyOut(0, 0, 10, values.data());
  shards.tables()[1]->CopyOut(0, 0, 1, values.data() + 20);
  return values;
}

TEST(ShardsTest, AsyncAppliesEachPushAtOnce) {
  const auto shards = NewShards(Specs(kUnitSgd), {.num_replicas = 2});
  ASSERT_OK(Push(*shards, {{3}, {1, 2}, {1, 0, 0}}, 0, 0, 0));
  ASSERT_OK(Push(*shards, {{3}, {1, 2}, {0, 1, 0}}, 1, 0, 0));
  EXPECT_EQ(shards->version(), 2);
  EXPECT_THAT(shards->tables()[0]->weights(3), ElementsAre(-2, -4));
  EXPECT_THAT(shards->tables()[1]->weights(0), ElementsAre(-1, -1, 0));
  EXPECT_TRUE(shards->MayPull(0, 100));
}

TEST(ShardsTest, StalenessIsHowManyUpdatesCameInBetween) {
  const auto shards = NewShards(Specs(kUnitSgd), {.num_replicas = 2});
  ASSERT_OK(Push(*shards, {{}, {}, {1, 0, 0}}, 0, 0, 0, 0));  // Nothing came in between.
  ASSERT_OK(Push(*shards, {{}, {}, {1, 0, 0}}, 1, 0, 0, 0));  // One did.
  ASSERT_OK(Push(*shards, {{}, {}, {1, 0, 0}}, 0, 0, 0, 2));
  EXPECT_EQ(shards->staleness()[0], 2);
  EXPECT_EQ(shards->staleness()[1], 1);
}

TEST(ShardsTest, BoundedLetsNobodyRunAhead) {
  const auto shards =
      NewShards(Specs(kUnitSgd), {.consistency = {Kind::kBounded, 1}, .num_replicas = 2});
  const Gradients gradients = {{}, {}, {1, 0, 0}};
  EXPECT_TRUE(shards->MayPull(0, 1));
  ASSERT_OK(Push(*shards, gradients, 0, 0, 0));
  EXPECT_TRUE(shards->MayPull(0, 1));
  ASSERT_OK(Push(*shards, gradients, 0, 0, 0));
  EXPECT_FALSE(shards->MayPull(0, 1));
  EXPECT_TRUE(shards->MayPull(0, 0));  // To evaluate, say.
  EXPECT_TRUE(shards->MayPull(1, 1));
  ASSERT_OK(Push(*shards, gradients, 1, 0, 0));
  EXPECT_TRUE(shards->MayPull(0, 1));
  ASSERT_OK(Push(*shards, gradients, 0, 0, 0));
  EXPECT_FALSE(shards->MayPull(0, 1));
  shards->Leave(1);
  EXPECT_TRUE(shards->MayPull(0, 1));
}

// Three micro-batches with values whose sum depends on the order of additions.
const std::vector<Gradients> kMicroBatches = {
    {{7, 2}, {1e8f, 1, 0.1f, 0.2f}, {1e8f, 0.1f, 3}},
    {{2, 5}, {0.3f, 1e7f, 4, 5}, {-1e8f, 0.7f, 1e-8f}},
    {{5, 7, 2}, {1, 2, -1e8f, 1e-3f, 0.7f, -1e7f}, {1, 0.9f, 4}},
};

TEST(ShardsTest, SyncIsTheSameInWhateverOrderMicroBatchesCome) {
  std::vector<int> order = {0, 1, 2};
  std::vector<std::vector<float>> results;
  do {
    const auto shards = NewShards(
        Specs(kAdagrad), {.consistency = {Kind::kSync}, .num_replicas = 3, .micro_batches = 3});
    for (const std::int64_t step : {1, 2}) {
      for (const int m : order) {
        EXPECT_TRUE(shards->MayPull(m, step));
        EXPECT_FALSE(shards->MayPull(m, step + 1));
        ASSERT_OK(Push(*shards, kMicroBatches[static_cast<std::size_t>(m)], m, step, m));
      }
      EXPECT_EQ(shards->version(), step);
    }
    results.push_back(WeightsOfAllTables(*shards));
  } while (std::ranges::next_permutation(order).found);
  EXPECT_EQ(results.size(), 6u);
  for (const std::vector<float>& result : results) EXPECT_EQ(result, results.front());
}

TEST(ShardsTest, WhatIsInAStepOrWillBeIsKnown) {
  const auto shards = NewShards(
      Specs(kAdagrad), {.consistency = {Kind::kSync}, .num_replicas = 3, .micro_batches = 3});
  ASSERT_OK(Push(*shards, kMicroBatches[2], 2, 1, 2));
  ASSERT_OK(Push(*shards, kMicroBatches[0], 0, 1, 0));
  EXPECT_TRUE(shards->HasPush(1, 0));
  EXPECT_FALSE(shards->HasPush(1, 1));
  EXPECT_TRUE(shards->HasPush(1, 2));
  ASSERT_OK(Push(*shards, kMicroBatches[1], 1, 1, 1));
  for (const int m : {0, 1, 2}) EXPECT_TRUE(shards->HasPush(1, m));
  for (const int m : {0, 1, 2}) EXPECT_FALSE(shards->HasPush(2, m));
}

TEST(ShardsTest, RowsOfTheStepBeforeAreKeptWhereTheyAreWanted) {
  const auto shards = NewShards(
      Specs(kAdagrad),
      {.consistency = {Kind::kSync}, .num_replicas = 3, .micro_batches = 3, .keep_previous = true});
  const std::vector<std::int64_t> all = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (const std::int64_t step : {1, 2}) {
    const std::vector<float> before = WeightsOfAllTables(*shards);
    EXPECT_FALSE(shards->HasPreviousFor(step));
    for (const int m : {2, 0, 1}) {
      ASSERT_OK(Push(*shards, kMicroBatches[static_cast<std::size_t>(m)], m, step, m));
    }
    EXPECT_NE(WeightsOfAllTables(*shards), before);
    EXPECT_TRUE(shards->HasPreviousFor(step));
    std::vector<float> previous(20 + 3);
    shards->GatherPrevious(0, all, std::span(previous).first(20));
    shards->GatherPrevious(1, std::vector<std::int64_t>{0}, std::span(previous).last(3));
    EXPECT_EQ(previous, before) << step;
  }
}

TEST(ShardsTest, WhoReturnsStartsBesideTheSlowest) {
  const auto shards = NewShards(
      Specs(kUnitSgd), {.consistency = {Kind::kBounded, /*max_lead=*/2}, .num_replicas = 3});
  const Gradients gradients = {{0}, {1, 1}, {1, 1, 1}};
  shards->Leave(2);
  for (int i = 0; i < 5; ++i) {
    for (const int replica : {0, 1}) ASSERT_OK(Push(*shards, gradients, replica, 0, 0));
  }
  shards->Return(2);
  EXPECT_TRUE(shards->MayPull(0, 1));
  EXPECT_TRUE(shards->MayPull(2, 1));
  for (int i = 0; i < 3; ++i) ASSERT_OK(Push(*shards, gradients, 0, 0, 0));
  EXPECT_FALSE(shards->MayPull(0, 1));
}

TEST(ShardsTest, SyncMakesOneUpdateOfTheMean) {
  for (const bool average : {true, false}) {
    const auto shards = NewShards(
        Specs(kUnitSgd),
        {.consistency = {Kind::kSync}, .num_replicas = 2, .micro_batches = 2, .average = average});
    ASSERT_OK(Push(*shards, {{3, 4}, {1, 2, 3, 4}, {1, 0, 0}}, 0, 1, 0));
    EXPECT_EQ(shards->version(), 0);
    ASSERT_OK(Push(*shards, {{4}, {5, 6}, {0, 2, 0}}, 1, 1, 1));
    const float share = average ? 0.5f : 1.0f;
    EXPECT_THAT(shards->tables()[0]->weights(3), ElementsAre(-share * 1, -share * 2));
    EXPECT_THAT(shards->tables()[0]->weights(4), ElementsAre(-share * 8, -share * 10));
    EXPECT_THAT(shards->tables()[1]->weights(0), ElementsAre(-share * 1, -share * 2, 0));
  }
}

TEST(ShardsTest, SyncRefusesWhatIsNotItsStepsNextAndChangesNothing) {
  const auto shards = NewShards(
      Specs(kUnitSgd), {.consistency = {Kind::kSync}, .num_replicas = 2, .micro_batches = 2});
  const Gradients gradients = {{}, {}, {1, 0, 0}};
  EXPECT_TRUE(absl::IsFailedPrecondition(Push(*shards, gradients, 0, 2, 0)));
  EXPECT_TRUE(absl::IsFailedPrecondition(Push(*shards, gradients, 0, 1, 2)));
  ASSERT_OK(Push(*shards, gradients, 0, 1, 1));
  EXPECT_TRUE(absl::IsFailedPrecondition(Push(*shards, gradients, 0, 1, 1)));
  ASSERT_OK(Push(*shards, gradients, 0, 1, 0));
  EXPECT_TRUE(absl::IsFailedPrecondition(Push(*shards, gradients, 0, 1, 0)));
  EXPECT_THAT(shards->tables()[1]->weights(0), ElementsAre(-1, 0, 0));
}

TEST(ShardsTest, PartsOfSeveralServersStartAsTheWholeDoes) {
  std::vector<ops::TableSpec> specs = Specs(kAdagrad);
  specs[0].num_rows = 1000;
  specs[0].shape = {1000, 2};
  specs[0].initializer = {ops::InitializerKind::kTruncatedNormal, 0.5f};
  const auto whole = Table::Create(specs[0], 7);
  ASSERT_OK(whole);
  const Sharding sharding(specs, 3);
  for (int server = 0; server < 3; ++server) {
    const auto shards = Shards::Create(specs, sharding, server, 7, {});
    ASSERT_OK(shards);
    for (std::int64_t id = 0; id < 1000; ++id) {
      if (sharding.ServerOf(0, id) != server) continue;
      const auto row = (*shards)->tables()[0]->weights(sharding.LocalRow(0, id));
      ASSERT_TRUE(std::ranges::equal(row, (*whole)->weights(id))) << id;
    }
  }
}

}  // namespace
}  // namespace dime::ps
