#include "ps/part_save.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <vector>

#include "ps/row_access.h"
#include "ps/sharding.h"
#include "ps/snapshot.h"
#include "tests/ps/tables.h"
#include "tests/support/limited_file_size.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::ps {
namespace {

using ::dime::testing::LimitedFileSize;
using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kSavedStep = 12;

storage::FileSystem& Files() { return storage::LocalFileSystem(); }

std::vector<ops::TableSpec> SavedSpecs() {
  std::vector<ops::TableSpec> specs = {
      {.name = "kernel", .shape = {40, 50}, .num_rows = 1, .dim = 2000, .dense = true},
      {.name = "embedding", .shape = {30'000, 3}, .num_rows = 30'000, .dim = 3},
      {.name = "few", .shape = {65, 1}, .num_rows = 65, .dim = 1},
      {.name = "adam",
       .shape = {700, 2},
       .num_rows = 700,
       .dim = 2,
       .beta_power_names = {"beta1_power", "beta2_power"}}};
  for (ops::TableSpec& spec : specs) {
    spec.initializer = {ops::InitializerKind::kUniform, 0.5f};
    spec.optimizer.kind = ops::OptimizerKind::kAdagrad;
  }
  specs[3].optimizer.kind = ops::OptimizerKind::kAdam;
  return specs;
}

Tables MakeTables(int num_servers, int server, std::uint64_t seed = 7) {
  const std::vector<ops::TableSpec> specs = SavedSpecs();
  const Sharding sharding(specs, num_servers);
  Tables tables;
  for (std::size_t t = 0; t < specs.size(); ++t) {
    tables.push_back(*Table::CreatePart(specs[t], sharding.BlocksOf(server, t), seed));
  }
  return tables;
}

// Changes every row that is here, by an amount that depends on it.
void UpdateAll(const Tables& tables) {
  for (const auto& table : tables) {
    std::vector<std::int64_t> rows;
    std::vector<float> gradients;
    for (std::int64_t row = 0; row < table->num_rows(); ++row) {
      rows.push_back(row);
      gradients.insert(gradients.end(), static_cast<std::size_t>(table->spec().dim),
                       table->weights(row)[0]);
    }
    table->Update(1, rows, gradients);
  }
}

std::vector<std::vector<float>> Values(const Tables& tables) {
  std::vector<std::vector<float>> values;
  for (const auto& table : tables) {
    for (int part = 0; part <= ops::NumSlots(table->spec().optimizer.kind); ++part) {
      auto& to =
          values.emplace_back(static_cast<std::size_t>(table->num_rows() * table->spec().dim));
      table->CopyOut(part, 0, table->num_rows(), to.data());
    }
  }
  return values;
}

std::string Read(const std::string& path) {
  auto bytes = Files().ReadFile(path);
  EXPECT_OK(bytes);
  return bytes.value_or("");
}

PartSave::Target TargetAt(const std::string& prefix, int part = 0, int num_parts = 1) {
  return {.files = &Files(),
          .prefix = prefix,
          .part = part,
          .num_parts = num_parts,
          .global_step = kSavedStep};
}

TEST(PartSaveTest, OneProcessWritesTheBytesOfASnapshotWhileTheTablesChange) {
  const TempDir dir;
  const Tables tables = MakeTables(1, 0);
  UpdateAll(tables);
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       checkpoint::BundleWriter::Create(Files(), dir.File("still")));
  LocalRows rows(Pointers(tables));
  ASSERT_OK(WriteSnapshot(rows, kSavedStep, SnapshotParts::kWeightsAndSlots, *writer));
  ASSERT_OK(writer->Finish());

  PartSave save(Pointers(tables), PartSave::Layout::kWhole);
  UpdateAll(tables);
  ASSERT_OK(save.Begin(TargetAt(dir.File("moving"))));
  while (save.Step()) UpdateAll(tables);
  ASSERT_OK(save.entries());
  ASSERT_OK(checkpoint::WriteBundleIndex(Files(), dir.File("moving"), {&*save.entries(), 1}));
  for (const char* const suffix : {".index", ".data-00000-of-00001"}) {
    EXPECT_TRUE(Read(dir.File("moving") + suffix) == Read(dir.File("still") + suffix)) << suffix;
  }
  EXPECT_GT(save.peak_copy_bytes(), 0u);
}

// Each server's tables after an update, saved while they change further.
void SaveFrom(int num_servers, const std::string& prefix) {
  std::vector<std::string> entries;
  for (int s = 0; s < num_servers; ++s) {
    const Tables tables = MakeTables(num_servers, s);
    UpdateAll(tables);
    PartSave save(Pointers(tables), PartSave::Layout::kShards);
    ASSERT_OK(save.Begin(TargetAt(prefix, s, num_servers)));
    save.StartThread();
    while (!save.is_over()) UpdateAll(tables);
    ASSERT_OK(save.entries());
    entries.push_back(*save.entries());
  }
  ASSERT_OK(checkpoint::WriteBundleIndex(Files(), prefix, entries));
}

TEST(PartSaveTest, AnyNumberOfServersReadsWhatAnyOtherHasWritten) {
  const TempDir dir;
  for (const int writers : {1, 3, 11}) {
    const std::string prefix = dir.File(fmt::format("from-{}", writers));
    ASSERT_NO_FATAL_FAILURE(SaveFrom(writers, prefix));
    for (const int readers : {1, 2, 11}) {
      ASSERT_OK_AND_ASSIGN(const auto bundle, checkpoint::BundleReader::Open(Files(), prefix));
      EXPECT_THAT(DescribeMismatch(SavedSpecs(), SnapshotParts::kWeightsAndSlots, *bundle),
                  ElementsAre());
      for (int s = 0; s < readers; ++s) {
        const Tables expected = MakeTables(readers, s);
        UpdateAll(expected);
        const Tables tables = MakeTables(readers, s, /*seed=*/8);
        ASSERT_OK_AND_ASSIGN(
            const std::int64_t step,
            ReadSnapshot(*bundle, SnapshotParts::kWeightsAndSlots, Pointers(tables)));
        EXPECT_EQ(step, kSavedStep);
        EXPECT_TRUE(Values(tables) == Values(expected))
            << writers << " to " << readers << ", server " << s;
      }
    }
  }
}

ops::TableSpec UnboundedSpec() {
  return {.name = "clicks",
          .shape = {0, 2},
          .dim = 2,
          .optimizer = {.kind = ops::OptimizerKind::kAdagrad},
          .unbounded =
              ops::UnboundedRows{.admit_after = 2, .evict_after_steps = 90, .max_bytes = 1 << 20}};
}

// So many unbounded tables that have the virtual shards among them.
std::vector<std::unique_ptr<UnboundedTable>> NewUnbounded(int num_servers) {
  const std::vector<ops::TableSpec> specs = {UnboundedSpec()};
  const Sharding sharding(specs, num_servers);
  std::vector<std::unique_ptr<UnboundedTable>> tables;
  for (int s = 0; s < num_servers; ++s) {
    tables.push_back(*UnboundedTable::Create(specs[0], sharding.VirtualShardsOf(s, 0), 7));
  }
  return tables;
}

void TrainUnbounded(std::vector<std::unique_ptr<UnboundedTable>>& tables, std::int64_t first_step,
                    std::int64_t last_step) {
  for (std::int64_t step = first_step; step <= last_step; ++step) {
    for (const auto& table : tables) {
      std::vector<std::int64_t> ids;
      for (std::int64_t i = 0; i < 100; ++i) {
        const std::int64_t id = (step * 37 + i * i) % 5000;
        if (table->HasIds({&id, 1}) && std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
      }
      const std::vector<float> gradients(ids.size() * 2, 0.25f);
      table->Update(step, ids, gradients);
    }
  }
}

TEST(PartSaveTest, UnboundedTablesGoOnFromACheckpointOnAnyNumberOfServers) {
  const testing::TempDir dir;
  auto whole = NewUnbounded(1);
  TrainUnbounded(whole, 1, 200);
  auto tables = NewUnbounded(3);
  TrainUnbounded(tables, 1, 100);
  const std::string prefix = dir.File("model.ckpt-100");
  std::vector<std::string> entries;
  for (int s = 0; s < 3; ++s) {
    const std::vector<ops::TableSpec> specs = {UnboundedSpec()};
    const auto fixed = Table::Create(specs[0], 7);
    ASSERT_OK(fixed);
    UnboundedTable* const unbounded = tables[static_cast<std::size_t>(s)].get();
    PartSave save({fixed->get()}, PartSave::Layout::kShards, {&unbounded, 1});
    unbounded->Update(101, {}, {});  // What comes after the cut is not in it.
    auto target = TargetAt(prefix, s, 3);
    target.global_step = 100;
    ASSERT_OK(save.Begin(target));
    while (save.Step()) {
    }
    ASSERT_OK(save.entries());
    entries.push_back(*save.entries());
  }
  ASSERT_OK(checkpoint::WriteBundleIndex(storage::LocalFileSystem(), prefix, entries));
  ASSERT_OK_AND_ASSIGN(const auto bundle,
                       checkpoint::BundleReader::Open(storage::LocalFileSystem(), prefix));
  const std::vector<ops::TableSpec> specs = {UnboundedSpec()};
  EXPECT_THAT(DescribeMismatch(specs, SnapshotParts::kWeightsAndSlots, *bundle),
              ::testing::IsEmpty());
  auto restored = NewUnbounded(5);
  for (const auto& table : restored) {
    const auto fixed = Table::Create(specs[0], 7);
    Table* const fixed_table = fixed->get();
    UnboundedTable* const unbounded = table.get();
    ASSERT_OK_AND_ASSIGN(
        const std::int64_t step,
        ReadSnapshot(*bundle, SnapshotParts::kWeightsAndSlots, {&fixed_table, 1}, {&unbounded, 1}));
    EXPECT_EQ(step, 100);
    table->set_step(step);
  }
  TrainUnbounded(restored, 101, 200);
  for (const auto& table : restored) {
    for (const int shard : table->virtual_shards()) {
      const ShardRows rows = table->Export(shard);
      EXPECT_EQ(rows.ids, whole[0]->Export(shard).ids);
      EXPECT_EQ(rows.records, whole[0]->Export(shard).records);
      EXPECT_EQ(rows.sightings, whole[0]->Export(shard).sightings);
    }
  }
  EXPECT_GT(whole[0]->statistics().expired, 0);
}

TEST(PartSaveTest, WeightsThatAreNoNumbersAreNotWritten) {
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const TempDir dir;
    const Tables tables = MakeTables(1, 0);
    const std::vector<float> row(3, bad);
    tables[1]->CopyIn(/*part=*/0, 29'999, 1, row.data());
    PartSave save(Pointers(tables), PartSave::Layout::kShards);
    ASSERT_OK(save.Begin(TargetAt(dir.File("b"))));
    while (save.Step()) {
    }
    EXPECT_THAT(save.entries(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         AllOf(HasSubstr("diverged"), HasSubstr("step 12"),
                                               HasSubstr("'embedding'"))));
    ASSERT_OK_AND_ASSIGN(const auto left, Files().List(dir.path()));
    EXPECT_THAT(left, ElementsAre());
  }
}

TEST(PartSaveTest, AFullDiskFailsItAndLeavesNothing) {
  const TempDir dir;
  const Tables tables = MakeTables(1, 0);
  PartSave save(Pointers(tables), PartSave::Layout::kWhole);
  {
    const LimitedFileSize limit(100'000);
    ASSERT_OK(save.Begin(TargetAt(dir.File("b"))));
    save.StartThread();
    while (!save.is_over()) std::this_thread::yield();
  }
  EXPECT_THAT(save.entries().status(), ::testing::Not(dime::testing::IsOk()));
  ASSERT_OK_AND_ASSIGN(const auto left, Files().List(dir.path()));
  EXPECT_THAT(left, ElementsAre());
}

TEST(PartSaveTest, WhatIsGivenUpLeavesNothing) {
  const TempDir dir;
  const Tables tables = MakeTables(1, 0);
  {
    PartSave save(Pointers(tables), PartSave::Layout::kShards);
    ASSERT_OK(save.Begin(TargetAt(dir.File("b"))));
    EXPECT_TRUE(save.Step());
    save.Cancel();
    EXPECT_TRUE(save.is_given_up());
  }
  ASSERT_OK_AND_ASSIGN(const auto left, Files().List(dir.path()));
  EXPECT_THAT(left, ElementsAre());
  const PartSave next(Pointers(tables), PartSave::Layout::kShards);  // The tables are free again.
}

TEST(PartSaveTest, ADirectoryThatIsNotThereIsAnErrorAtOnce) {
  const TempDir dir;
  const Tables tables = MakeTables(1, 0);
  PartSave save(Pointers(tables), PartSave::Layout::kShards);
  EXPECT_THAT(save.Begin(TargetAt(dir.File("none/b"))), ::testing::Not(dime::testing::IsOk()));
  EXPECT_TRUE(save.is_over());
}

}  // namespace
}  // namespace dime::ps
