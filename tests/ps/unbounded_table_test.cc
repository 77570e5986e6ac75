#include "ps/unbounded_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ps/internal/id_hash.h"
#include "ps/internal/initial_rows.h"
#include "tests/support/status_matchers.h"

namespace dime::ps {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::uint64_t kSeed = 7;

ops::TableSpec UnboundedTableSpec(const ops::UnboundedRows& unbounded, std::int64_t dim = 2) {
  return {.name = "some/weights",
          .shape = {0, dim},
          .dim = dim,
          .initializer = {ops::InitializerKind::kTruncatedNormal, 0.5f},
          .optimizer = {.kind = ops::OptimizerKind::kAdagrad, .learning_rate = 0.5f},
          .unbounded = unbounded};
}

std::vector<int> AllShards() {
  std::vector<int> shards(internal::kVirtualShards);
  std::iota(shards.begin(), shards.end(), 0);
  return shards;
}

std::unique_ptr<UnboundedTable> NewUnboundedTable(const ops::TableSpec& spec,
                                                  std::vector<int> shards = AllShards()) {
  auto table = UnboundedTable::Create(spec, std::move(shards), kSeed);
  EXPECT_OK(table);
  return *std::move(table);
}

std::vector<float> Gather(const UnboundedTable& table, const std::vector<std::int64_t>& ids) {
  std::vector<float> values(ids.size() * static_cast<std::size_t>(table.spec().dim));
  table.Gather(ids, values);
  return values;
}

std::vector<float> Initial(const ops::TableSpec& spec, std::int64_t id) {
  std::vector<float> record = internal::StartRecord(spec);
  internal::InitialWeights(spec, kSeed)
      .Draw(id, std::span(record).first(static_cast<std::size_t>(spec.dim)));
  return record;
}

std::vector<float> WeightsAtFirst(const ops::TableSpec& spec, std::int64_t id) {
  std::vector<float> weights = Initial(spec, id);
  weights.resize(static_cast<std::size_t>(spec.dim));
  return weights;
}

void Update(UnboundedTable& table, std::int64_t step, const std::vector<std::int64_t>& ids,
            float gradient = 1.0f) {
  const std::vector<float> gradients(ids.size() * static_cast<std::size_t>(table.spec().dim),
                                     gradient);
  table.Update(step, ids, gradients);
}

// So many ids of one virtual shard.
std::vector<std::int64_t> IdsOfShard(std::size_t shard, std::size_t count) {
  std::vector<std::int64_t> ids;
  for (std::int64_t id = 0; ids.size() < count; ++id) {
    if (internal::VirtualShardOf(internal::HashOfId(id)) == shard) ids.push_back(id);
  }
  return ids;
}

TEST(UnboundedTableTest, AnIdWithoutARowReadsItsInitialValues) {
  const ops::TableSpec spec = UnboundedTableSpec({.max_bytes = 4 * kMiB});
  const auto table = NewUnboundedTable(spec);
  const std::int64_t far = ops::UnboundedRows::kNumIds - 1;
  EXPECT_EQ(Gather(*table, {5}), WeightsAtFirst(spec, 5));
  EXPECT_EQ(Gather(*table, {far}), WeightsAtFirst(spec, far));
  EXPECT_NE(Gather(*table, {5}), Gather(*table, {far}));
  EXPECT_EQ(table->statistics().rows, 0);
}

TEST(UnboundedTableTest, TheFirstGradientMakesARowOfInitialValuesAndIsApplied) {
  const ops::TableSpec spec = UnboundedTableSpec({.max_bytes = 4 * kMiB});
  const auto table = NewUnboundedTable(spec);
  Update(*table, 1, {5});
  std::vector<float> expected = Initial(spec, 5);
  const std::vector<float> gradient(2, 1.0f);
  ops::UpdateRow(spec.optimizer, 1, 2, expected.data(), gradient.data());
  expected.resize(2);
  EXPECT_EQ(Gather(*table, {5}), expected);
  EXPECT_EQ(table->statistics().rows, 1);
  EXPECT_EQ(table->statistics().admitted, 1);
}

TEST(UnboundedTableTest, AnIdIsAdmittedAtItsNthGradient) {
  const ops::TableSpec spec = UnboundedTableSpec({.admit_after = 3, .max_bytes = 4 * kMiB});
  const auto table = NewUnboundedTable(spec);
  Update(*table, 1, {5});
  Update(*table, 2, {5, 6});
  EXPECT_EQ(Gather(*table, {5}), WeightsAtFirst(spec, 5));
  EXPECT_EQ(table->statistics().dropped, 3);
  Update(*table, 3, {5});
  EXPECT_NE(Gather(*table, {5}), WeightsAtFirst(spec, 5));
  EXPECT_EQ(Gather(*table, {6}), WeightsAtFirst(spec, 6));
  EXPECT_EQ(table->statistics().rows, 1);
}

TEST(UnboundedTableTest, ReadingIsNoSighting) {
  const ops::TableSpec spec = UnboundedTableSpec({.admit_after = 2, .max_bytes = 4 * kMiB});
  const auto table = NewUnboundedTable(spec);
  for (int i = 0; i < 5; ++i) Gather(*table, {5});
  Update(*table, 1, {5});
  EXPECT_EQ(table->statistics().rows, 0);
}

TEST(UnboundedTableTest, ARowExpiresExactlyWhenItsAgeIsReached) {
  const ops::TableSpec spec = UnboundedTableSpec({.evict_after_steps = 10, .max_bytes = 4 * kMiB});
  const auto table = NewUnboundedTable(spec);
  Update(*table, 1, {5});
  const std::vector<float> trained = Gather(*table, {5});
  for (std::int64_t step = 2; step <= 11; ++step) Update(*table, step, {});
  EXPECT_EQ(Gather(*table, {5}), trained);
  Update(*table, 12, {});
  EXPECT_EQ(Gather(*table, {5}), WeightsAtFirst(spec, 5));
}

TEST(UnboundedTableTest, AGradientForWhatHasExpiredFindsInitialValues) {
  const ops::TableSpec spec = UnboundedTableSpec({.evict_after_steps = 3, .max_bytes = 4 * kMiB});
  const auto table = NewUnboundedTable(spec);
  Update(*table, 1, {5});
  const std::vector<float> once = Gather(*table, {5});
  for (std::int64_t step = 2; step <= 5; ++step) Update(*table, step, {});
  Update(*table, 6, {5});
  EXPECT_EQ(Gather(*table, {5}), once);
}

TEST(UnboundedTableTest, TheSweepTakesAllExpiredRowsAway) {
  const auto table =
      NewUnboundedTable(UnboundedTableSpec({.evict_after_steps = 2000, .max_bytes = 16 * kMiB}));
  std::vector<std::int64_t> ids(50'000);
  std::iota(ids.begin(), ids.end(), 1);
  Update(*table, 1, ids);
  ASSERT_EQ(table->statistics().rows, 50'000);
  for (std::int64_t step = 2; step <= 2001; ++step) Update(*table, step, {});
  EXPECT_EQ(table->statistics().rows, 50'000);
  for (std::int64_t step = 2002; step <= 2001 + 2000; ++step) Update(*table, step, {});
  EXPECT_EQ(table->statistics().rows, 0);
  EXPECT_EQ(table->statistics().expired, 50'000);
}

TEST(UnboundedTableTest, AFullShardGivesAnOldRowsPlaceToTheNewOne) {
  const auto table = NewUnboundedTable(UnboundedTableSpec({.max_bytes = 4 * kMiB}));
  const std::size_t room = table->rows_per_shard();
  const std::vector<std::int64_t> ids = IdsOfShard(3, room + 20);
  for (std::size_t i = 0; i < room; ++i) Update(*table, 1 + static_cast<std::int64_t>(i), {ids[i]});
  for (std::size_t i = room; i < ids.size(); ++i) {
    Update(*table, 1 + static_cast<std::int64_t>(i), {ids[i]});
    EXPECT_EQ(table->statistics().rows, static_cast<std::int64_t>(room));
    EXPECT_NE(Gather(*table, {ids[i]}), WeightsAtFirst(table->spec(), ids[i]));
  }
  EXPECT_EQ(table->statistics().displaced, 20);
}

TEST(UnboundedTableTest, WhatIsInUseStaysWhenAFullShardMakesRoom) {
  const auto table = NewUnboundedTable(UnboundedTableSpec({.max_bytes = 4 * kMiB}));
  const std::size_t room = table->rows_per_shard();
  const std::vector<std::int64_t> ids = IdsOfShard(3, 10 * room);
  const std::vector<std::int64_t> busy(ids.begin(), ids.begin() + static_cast<long>(room / 4));
  std::int64_t step = 0;
  for (const std::int64_t id : ids) {
    std::vector<std::int64_t> batch = busy;
    if (std::ranges::find(busy, id) == busy.end()) batch.push_back(id);
    Update(*table, ++step, batch);
  }
  EXPECT_EQ(table->statistics().admitted, static_cast<std::int64_t>(ids.size()));
  for (const ShardRows& rows = table->Export(3); const std::int64_t id : busy) {
    EXPECT_TRUE(std::ranges::binary_search(rows.ids, id)) << id;
  }
}

TEST(UnboundedTableTest, ARowOfTheSameStepIsNotDisplaced) {
  const auto table = NewUnboundedTable(UnboundedTableSpec({.max_bytes = 4 * kMiB}));
  const std::size_t room = table->rows_per_shard();
  const std::vector<std::int64_t> ids = IdsOfShard(3, room + 5);
  Update(*table, 1, ids);
  EXPECT_EQ(table->statistics().rows, static_cast<std::int64_t>(room));
  EXPECT_EQ(table->statistics().refused, 5);
  EXPECT_EQ(table->statistics().dropped, 5);
  for (std::size_t i = room; i < ids.size(); ++i) {
    EXPECT_EQ(Gather(*table, {ids[i]}), WeightsAtFirst(table->spec(), ids[i]));
  }
}

TEST(UnboundedTableTest, MemoryStaysWithinTheBudget) {
  for (const std::int64_t max_bytes : {4 * kMiB, 5 * kMiB + 12345, 40 * kMiB}) {
    for (const std::int64_t admit_after : {1, 2}) {
      const auto table = NewUnboundedTable(
          UnboundedTableSpec({.admit_after = admit_after, .max_bytes = max_bytes}, 8));
      EXPECT_LE(table->memory_bytes(), static_cast<std::size_t>(max_bytes));
      const std::size_t record_bytes = 2 * 8 * sizeof(float);
      // The rest is for the index, where up to 43 bytes are for a row, and sightings.
      EXPECT_GE(table->rows_per_shard() * 256 * record_bytes,
                static_cast<std::size_t>(max_bytes) / 2);
    }
  }
}

TEST(UnboundedTableTest, ABudgetWithoutRoomForRowsIsRefused) {
  EXPECT_THAT(
      UnboundedTable::Create(UnboundedTableSpec({.max_bytes = kMiB}, 100), AllShards(), kSeed)
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("'some/weights' has at most 1048576 bytes")));
}

TEST(UnboundedTableTest, TheBudgetThatTheRefusalNamesIsEnough) {
  for (const std::int64_t dim : {1, 8, 100, 1000}) {
    for (const std::int64_t admit_after : {1, 2}) {
      ops::TableSpec spec = UnboundedTableSpec({.admit_after = admit_after, .max_bytes = 1}, dim);
      const auto refused = UnboundedTable::Create(spec, AllShards(), kSeed);
      ASSERT_FALSE(refused.ok());
      const std::string text(refused.status().message());
      const std::size_t at = text.find("allow ") + 6;
      spec.unbounded->max_bytes = std::stoll(text.substr(at));
      EXPECT_OK(UnboundedTable::Create(spec, {0}, kSeed));
    }
  }
}

TEST(UnboundedTableTest, HasOnlyIdsOfItsShards) {
  const auto table = NewUnboundedTable(UnboundedTableSpec({.max_bytes = 4 * kMiB}), {3});
  EXPECT_TRUE(table->HasIds(IdsOfShard(3, 5)));
  EXPECT_FALSE(table->HasIds(IdsOfShard(4, 1)));
  EXPECT_FALSE(NewUnboundedTable(UnboundedTableSpec({.max_bytes = 4 * kMiB}))
                   ->HasIds(std::vector<std::int64_t>{-1}));
}

// The same, written down simply: what a shard holds, and no budget.
class Reference {
 public:
  explicit Reference(const ops::TableSpec& spec) : spec_(spec) {}

  void Update(std::int64_t step, const std::vector<std::int64_t>& ids,
              const std::vector<float>& gradients) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (IsExpired(ids[i])) rows_.erase(ids[i]);
      if (!rows_.contains(ids[i])) {
        if (++sightings_[ids[i]] < spec_.unbounded->admit_after) continue;
        sightings_.erase(ids[i]);
        rows_[ids[i]].record = Initial(spec_, ids[i]);
      }
      Row& row = rows_[ids[i]];
      row.last_update = step;
      ops::UpdateRow(spec_.optimizer, step, spec_.dim, row.record.data(),
                     gradients.data() + static_cast<std::int64_t>(i) * spec_.dim);
    }
    step_ = step;
  }

  [[nodiscard]] std::vector<float> Weights(std::int64_t id) const {
    if (!rows_.contains(id) || IsExpired(id)) return WeightsAtFirst(spec_, id);
    const std::vector<float>& record = rows_.at(id).record;
    return {record.begin(), record.begin() + spec_.dim};
  }

 private:
  struct Row {
    std::vector<float> record;
    std::int64_t last_update = 0;
  };
  [[nodiscard]] bool IsExpired(std::int64_t id) const {
    const std::int64_t limit = spec_.unbounded->evict_after_steps;
    const auto row = rows_.find(id);
    return limit > 0 && row != rows_.end() && step_ - row->second.last_update > limit;
  }

  ops::TableSpec spec_;
  std::unordered_map<std::int64_t, Row> rows_;
  std::unordered_map<std::int64_t, std::int64_t> sightings_;
  std::int64_t step_ = 0;
};

// Ids as clicks have them: few are frequent.
std::vector<std::int64_t> DrawIds(std::mt19937_64& random, std::size_t count,
                                  std::int64_t num_distinct) {
  std::set<std::int64_t> ids;
  std::uniform_real_distribution<double> uniform(0, 1);
  while (ids.size() < count) {
    const double u = uniform(random);
    const auto rank = static_cast<std::int64_t>(u * u * u * static_cast<double>(num_distinct));
    ids.insert(rank * 0x1234567891 % ops::UnboundedRows::kNumIds);
  }
  std::vector<std::int64_t> shuffled(ids.begin(), ids.end());
  std::ranges::shuffle(shuffled, random);
  return shuffled;
}

std::vector<float> DrawGradients(std::mt19937_64& random, std::size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> gradients(count);
  for (float& gradient : gradients) gradient = normal(random);
  return gradients;
}

TEST(UnboundedTableTest, DoesWhatTheReferenceDoesWhileThereIsRoom) {
  for (const std::int64_t admit_after : {1, 2}) {
    for (const std::int64_t evict_after : {0, 7, 600}) {
      const ops::TableSpec spec = UnboundedTableSpec(
          {.admit_after = admit_after, .evict_after_steps = evict_after, .max_bytes = 64 * kMiB},
          3);
      const auto table = NewUnboundedTable(spec);
      Reference reference(spec);
      std::mt19937_64 random(1);
      for (std::int64_t step = 1; step <= 700; ++step) {
        const std::vector<std::int64_t> ids = DrawIds(random, 100, 20'000);
        for (const std::int64_t id : ids) {
          ASSERT_EQ(Gather(*table, {id}), reference.Weights(id)) << step << " " << id;
        }
        const std::vector<float> gradients = DrawGradients(random, ids.size() * 3);
        table->Update(step, ids, gradients);
        reference.Update(step, ids, gradients);
      }
      EXPECT_EQ(table->statistics().displaced + table->statistics().refused, 0);
    }
  }
}

// What all shards of some tables hold together.
std::map<int, ShardRows> ExportAllTables(
    const std::vector<std::unique_ptr<UnboundedTable>>& tables) {
  std::map<int, ShardRows> rows;
  for (const auto& table : tables) {
    for (const int shard : table->virtual_shards()) rows[shard] = table->Export(shard);
  }
  return rows;
}

void ExpectSameShards(const std::map<int, ShardRows>& a, const std::map<int, ShardRows>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [shard, rows] : a) {
    EXPECT_EQ(rows.ids, b.at(shard).ids) << shard;
    EXPECT_EQ(rows.last_updates, b.at(shard).last_updates) << shard;
    EXPECT_EQ(rows.records, b.at(shard).records) << shard;
    EXPECT_EQ(rows.sightings, b.at(shard).sightings) << shard;
  }
}

std::vector<std::unique_ptr<UnboundedTable>> NewUnboundedTables(const ops::TableSpec& spec,
                                                                int count) {
  std::vector<std::vector<int>> shards(static_cast<std::size_t>(count));
  for (const int shard : AllShards()) {
    shards[static_cast<std::size_t>(shard * 7 % count)].push_back(shard);
  }
  std::vector<std::unique_ptr<UnboundedTable>> tables;
  for (auto& part : shards) tables.push_back(NewUnboundedTable(spec, std::move(part)));
  return tables;
}

// One step of the same updates on tables that share the shards.
void UpdateEach(std::vector<std::unique_ptr<UnboundedTable>>& tables, std::int64_t step,
                const std::vector<std::int64_t>& ids, const std::vector<float>& gradients) {
  for (const auto& table : tables) {
    std::vector<std::int64_t> its_ids;
    std::vector<float> its_gradients;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!table->HasIds(std::span(ids).subspan(i, 1))) continue;
      its_ids.push_back(ids[i]);
      its_gradients.insert(its_gradients.end(), gradients.begin() + static_cast<long>(2 * i),
                           gradients.begin() + static_cast<long>(2 * i + 2));
    }
    table->Update(step, its_ids, its_gradients);
  }
}

// More ids than there is room for, rows that expire, sightings that are forgotten.
ops::TableSpec CrowdedSpec() {
  return UnboundedTableSpec({.admit_after = 2, .evict_after_steps = 900, .max_bytes = kMiB});
}

TEST(UnboundedTableTest, HoldsTheSameOnAnyNumberOfServers) {
  auto one = NewUnboundedTables(CrowdedSpec(), 1);
  auto eleven = NewUnboundedTables(CrowdedSpec(), 11);
  std::mt19937_64 random(1);
  for (std::int64_t step = 1; step <= 1500; ++step) {
    const std::vector<std::int64_t> ids = DrawIds(random, 300, 200'000);
    const std::vector<float> gradients = DrawGradients(random, ids.size() * 2);
    UpdateEach(one, step, ids, gradients);
    UpdateEach(eleven, step, ids, gradients);
  }
  EXPECT_GT(one[0]->statistics().displaced, 100);
  EXPECT_GT(one[0]->statistics().expired, 100);
  ExpectSameShards(ExportAllTables(one), ExportAllTables(eleven));
}

TEST(UnboundedTableTest, GoesOnFromAnExportAsIfItHadNotStopped) {
  auto whole = NewUnboundedTables(CrowdedSpec(), 1);
  auto before = NewUnboundedTables(CrowdedSpec(), 3);
  std::vector<std::unique_ptr<UnboundedTable>> after;
  std::mt19937_64 random(1);
  for (std::int64_t step = 1; step <= 1500; ++step) {
    if (step == 1000) {
      after = NewUnboundedTables(CrowdedSpec(), 5);
      const auto rows = ExportAllTables(before);
      for (const auto& table : after) {
        for (const int shard : table->virtual_shards()) table->Import(shard, rows.at(shard));
        table->set_step(step - 1);
      }
    }
    const std::vector<std::int64_t> ids = DrawIds(random, 300, 200'000);
    const std::vector<float> gradients = DrawGradients(random, ids.size() * 2);
    UpdateEach(whole, step, ids, gradients);
    UpdateEach(step < 1000 ? before : after, step, ids, gradients);
  }
  EXPECT_GT(whole[0]->statistics().displaced, 100);
  ExpectSameShards(ExportAllTables(whole), ExportAllTables(after));
}

TEST(UnboundedTableTest, AnImportIntoLessRoomKeepsTheNewest) {
  const auto large = NewUnboundedTable(UnboundedTableSpec({.max_bytes = 16 * kMiB}), {3});
  const auto small = NewUnboundedTable(UnboundedTableSpec({.max_bytes = 4 * kMiB}), {3});
  const std::vector<std::int64_t> ids = IdsOfShard(3, large->rows_per_shard());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    Update(*large, 1 + static_cast<std::int64_t>(i), {ids[i]});
  }
  small->Import(3, large->Export(3));
  small->set_step(static_cast<std::int64_t>(ids.size()));
  const ShardRows kept = small->Export(3);
  EXPECT_EQ(kept.ids.size(), small->rows_per_shard());
  const std::vector<std::int64_t> newest(ids.end() - static_cast<long>(kept.ids.size()), ids.end());
  EXPECT_THAT(kept.ids, ::testing::UnorderedElementsAreArray(newest));
  EXPECT_EQ(Gather(*small, newest), Gather(*large, newest));
}

}  // namespace
}  // namespace dime::ps
