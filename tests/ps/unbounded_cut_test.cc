#include "ps/unbounded_cut.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "ps/internal/id_hash.h"
#include "ps/unbounded_table.h"
#include "tests/support/status_matchers.h"

namespace dime::ps {
namespace {

constexpr int kNumShards = static_cast<int>(internal::kVirtualShards);

std::unique_ptr<UnboundedTable> NewClicksTable(std::int64_t dim,
                                               const ops::UnboundedRows& unbounded) {
  const ops::TableSpec spec = {
      .name = "clicks",
      .shape = {0, dim},
      .dim = dim,
      .initializer = {ops::InitializerKind::kUniform, 0.5f},
      .optimizer = {.kind = ops::OptimizerKind::kAdagrad, .learning_rate = 0.5f},
      .unbounded = unbounded};
  std::vector<int> shards(kNumShards);
  std::iota(shards.begin(), shards.end(), 0);
  auto table = UnboundedTable::Create(spec, std::move(shards), 1);
  EXPECT_OK(table);
  return *std::move(table);
}

// Updates rows, new ones among them.
class UnboundedUpdater {
 public:
  explicit UnboundedUpdater(UnboundedTable& table) : table_(table) {}

  void Update(int times = 1) {
    for (; times > 0; --times) {
      std::set<std::int64_t> ids;
      while (ids.size() < 200) {
        const std::uint64_t draw = random_();
        ids.insert(static_cast<std::int64_t>(draw % 2 == 0 ? draw % 1000 : draw % 100'000) + step_);
      }
      const std::vector<float> gradients(ids.size() * static_cast<std::size_t>(table_.spec().dim),
                                         0.25f);
      table_.Update(++step_, std::vector(ids.begin(), ids.end()), gradients);
    }
  }

 private:
  UnboundedTable& table_;
  std::mt19937_64 random_{7};
  std::int64_t step_ = 0;
};

std::vector<ShardRows> ExportAll(const UnboundedTable& table) {
  std::vector<ShardRows> shards;
  for (int s = 0; s < kNumShards; ++s) shards.push_back(table.Export(s));
  return shards;
}

void ExpectSame(const ShardRows& rows, const ShardRows& expected) {
  EXPECT_EQ(rows.step, expected.step);
  EXPECT_EQ(rows.ids, expected.ids);
  EXPECT_EQ(rows.last_updates, expected.last_updates);
  EXPECT_EQ(rows.records, expected.records);
  EXPECT_EQ(rows.sightings, expected.sightings);
}

struct UnboundedShape {
  std::int64_t dim = 0;
  ops::UnboundedRows unbounded;
};

class UnboundedCutTest : public ::testing::TestWithParam<UnboundedShape> {};

// Rows shorter and longer than a line of the cache; room for all ids, and for few of them; rows
// that expire soon, and never; with sightings and without.
INSTANTIATE_TEST_SUITE_P(
    Shapes, UnboundedCutTest,
    ::testing::Values(
        UnboundedShape{1, {.max_bytes = 32 << 20}}, UnboundedShape{12, {.max_bytes = 64 << 20}},
        UnboundedShape{2, {.admit_after = 2, .evict_after_steps = 150, .max_bytes = 1 << 20}},
        UnboundedShape{8, {.admit_after = 2, .evict_after_steps = 600, .max_bytes = 4 << 20}}));

TEST_P(UnboundedCutTest, ReadsWhatWasThereHoweverTheTableGoesOn) {
  const auto table = NewClicksTable(GetParam().dim, GetParam().unbounded);
  UnboundedUpdater updater(*table);
  updater.Update(300);
  const std::vector<ShardRows> expected = ExportAll(*table);
  UnboundedCut& cut = table->BeginCut();
  for (int s = 0; s < kNumShards; ++s) {
    updater.Update(3);
    ExpectSame(cut.Read(s), expected[static_cast<std::size_t>(s)]);
    if (HasFailure()) FAIL() << "shard " << s;
  }
  EXPECT_GT(cut.peak_bytes(), 0u);
  table->EndCut();
  const std::int64_t evicted = table->statistics().expired + table->statistics().displaced;
  EXPECT_EQ(evicted > 0, GetParam().unbounded.evict_after_steps > 0);
}

// With what a table without cuts holds, too: cuts change nothing.
TEST_P(UnboundedCutTest, AThreadReadsWhatWasThereWhileAnotherUpdates) {
  const auto table = NewClicksTable(GetParam().dim, GetParam().unbounded);
  const auto other = NewClicksTable(GetParam().dim, GetParam().unbounded);
  UnboundedUpdater updater(*table);
  UnboundedUpdater other_updater(*other);
  for (int round = 0; round < 3; ++round) {
    updater.Update(50);
    other_updater.Update(50);
    const std::vector<ShardRows> expected = ExportAll(*table);
    UnboundedCut& cut = table->BeginCut();
    std::vector<ShardRows> found;
    std::atomic<bool> is_over = false;
    std::jthread reader([&] {
      for (int s = 0; s < kNumShards; ++s) found.push_back(cut.Read(s));
      is_over = true;
    });
    while (!is_over) {
      updater.Update();
      other_updater.Update();
    }
    reader.join();
    table->EndCut();
    for (std::size_t s = 0; s < expected.size(); ++s) ExpectSame(found[s], expected[s]);
  }
  for (int s = 0; s < kNumShards; ++s) ExpectSame(table->Export(s), other->Export(s));
}

TEST_P(UnboundedCutTest, AnImportIsAChangeToo) {
  const auto table = NewClicksTable(GetParam().dim, GetParam().unbounded);
  UnboundedUpdater updater(*table);
  updater.Update(100);
  const std::vector<ShardRows> before = ExportAll(*table);
  updater.Update(100);
  const std::vector<ShardRows> expected = ExportAll(*table);
  UnboundedCut& cut = table->BeginCut();
  for (int s = 0; s < kNumShards; ++s) table->Import(s, before[static_cast<std::size_t>(s)]);
  for (int s = 0; s < kNumShards; ++s) {
    ExpectSame(cut.Read(s), expected[static_cast<std::size_t>(s)]);
  }
}

TEST(UnboundedCutTest, CopiesNothingUntilItIsChanged) {
  const auto table = NewClicksTable(16, {.max_bytes = 64 << 20});
  UnboundedUpdater updater(*table);
  updater.Update(300);
  const UnboundedCut& cut = table->BeginCut();
  EXPECT_EQ(cut.peak_bytes(), 0u);
  const std::int64_t id = table->Export(0).ids.front();
  const std::vector<float> gradient(16, 0.25f);
  table->Update(301, {&id, 1}, gradient);
  EXPECT_GT(cut.peak_bytes(), 0u);
  EXPECT_LT(cut.peak_bytes(), 1000u);  // The row's and its entry's surroundings.
}

TEST(UnboundedCutTest, WhatHasBeenReadIsNotCopiedAnyMore) {
  const auto table = NewClicksTable(16, {.admit_after = 2, .max_bytes = 64 << 20});
  UnboundedUpdater updater(*table);
  updater.Update(300);
  UnboundedCut& cut = table->BeginCut();
  std::vector<std::int64_t> ids;
  for (int s = 0; s < kNumShards; ++s) {
    const ShardRows rows = cut.Read(s);
    ids.insert(ids.end(), rows.ids.begin(), rows.ids.end());
  }
  const std::vector<float> gradients(ids.size() * 16, 0.25f);
  table->Update(301, ids, gradients);
  // Blocks that shards share stay, and what was no shard's.
  EXPECT_LT(cut.peak_bytes(), ids.size() * 2 * 16 * sizeof(float) / 10);
}

}  // namespace
}  // namespace dime::ps
