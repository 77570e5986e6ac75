// Checkpoints that hold what has changed in unbounded tables since the one before.
#include "ps/checkpoint_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "ps/checkpointer.h"
#include "ps/internal/id_hash.h"
#include "ps/server_checkpointer.h"
#include "ps/shards.h"
#include "ps/snapshot.h"
#include "ps/unbounded_snapshot.h"
#include "runtime/storage/file_system.h"
#include "tests/ps/server_threads.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::ps {
namespace {

using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kNumShards = static_cast<int>(internal::kVirtualShards);
constexpr std::int64_t kNoBase = -1;

// One variable of a fixed size between two unbounded ones: rows of one come and go.
std::vector<ops::TableSpec> ChainSpecs() {
  const ops::OptimizerSpec adagrad = {.kind = ops::OptimizerKind::kAdagrad, .learning_rate = 0.1f};
  return {{.name = "crowded",
           .shape = {0, 3},
           .dim = 3,
           .initializer = {ops::InitializerKind::kUniform, 0.5f},
           .optimizer = adagrad,
           .unbounded = {{.admit_after = 2, .evict_after_steps = 30, .max_bytes = 4 << 20}}},
          {.name = "fixed", .shape = {7}, .num_rows = 1, .dim = 7, .dense = true},
          {.name = "roomy",
           .shape = {0, 1},
           .dim = 1,
           .optimizer = adagrad,
           .unbounded = {{.max_bytes = 16 << 20}}}};
}

// Gradients for ids that often come again.
class RandomPushes {
 public:
  std::vector<std::int64_t> Ids() {
    std::set<std::int64_t> ids;
    while (ids.size() < 100) {
      const std::uint64_t draw = random_() >> 1;
      ids.insert(static_cast<std::int64_t>(draw % 2 == 0 ? draw % 500 : draw % 20'000));
    }
    return {ids.begin(), ids.end()};
  }
  std::vector<float> Gradients(std::size_t count) {
    std::vector<float> gradients(count);
    for (float& gradient : gradients) gradient = static_cast<float>(random_() % 100) * 0.01f;
    return gradients;
  }

 private:
  std::mt19937_64 random_{5};
};

// All tables, in this process.
class LocalTables {
 public:
  LocalTables()
      : shards(*Shards::Create(specs, Sharding(specs, 1), /*server=*/0, /*seed=*/7, {})),
        checkpointer(
            Tables(), [this] { return shards->version(); },
            [this](std::int64_t version) { shards->set_version(version); },
            shards->all_unbounded()) {}

  void Push(int times) {
    for (; times > 0; --times) {
      const std::vector<std::int64_t> ids = pushes_.Ids();
      const std::vector<float> gradients[] = {pushes_.Gradients(ids.size() * 3),
                                              pushes_.Gradients(7), pushes_.Gradients(ids.size())};
      const TableGradients tables[] = {
          {ids, gradients[0]}, {{}, gradients[1]}, {ids, gradients[2]}};
      ASSERT_OK(shards->Push({.step = shards->version() + 1, .tables = tables}));
    }
  }
  // The checkpoint of this moment, P-<step>.
  absl::StatusOr<std::string> Save(const std::string& directory, std::int64_t base) {
    DIME_ASSIGN_OR_RETURN(const std::int64_t step, checkpointer.Cut());
    const std::string prefix = fmt::format("{}/model.ckpt-{}", directory, step);
    std::optional<std::int64_t> base_step;
    if (base != kNoBase) base_step = base;
    DIME_RETURN_IF_ERROR(checkpointer.StartWriting(prefix, base_step));
    DIME_RETURN_IF_ERROR(checkpointer.AwaitWritten());
    return prefix;
  }
  std::vector<ShardRows> Export() {
    std::vector<ShardRows> rows;
    for (const std::size_t table : {0, 2}) {
      for (int s = 0; s < kNumShards; ++s) rows.push_back(shards->unbounded(table)->Export(s));
    }
    return rows;
  }

  const std::vector<ops::TableSpec> specs = ChainSpecs();
  std::unique_ptr<Shards> shards;
  LocalCheckpointer checkpointer;

 private:
  std::vector<Table*> Tables() {
    std::vector<Table*> tables;
    for (const auto& table : shards->tables()) tables.push_back(table.get());
    return tables;
  }
  RandomPushes pushes_;
};

void ExpectSameRows(const std::vector<ShardRows>& rows, const std::vector<ShardRows>& expected) {
  ASSERT_EQ(rows.size(), expected.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].ids, expected[i].ids) << i;
    EXPECT_EQ(rows[i].last_updates, expected[i].last_updates) << i;
    EXPECT_EQ(rows[i].records, expected[i].records) << i;
    EXPECT_EQ(rows[i].sightings, expected[i].sightings) << i;
  }
}

std::unique_ptr<checkpoint::BundleReader> OpenBundle(const std::string& prefix) {
  return *checkpoint::BundleReader::Open(storage::LocalFileSystem(), prefix);
}

std::size_t NumShardsWithChangesAlone(const std::string& prefix) {
  return ShardsWithChangesAlone(*OpenBundle(prefix)).size();
}

std::string DataFile(const std::string& prefix) { return prefix + ".data-00000-of-00001"; }

TEST(CheckpointChainTest, EachCheckpointIsWhatWasThereWhateverItBuildsOn) {
  const TempDir dir;
  LocalTables tables;
  std::vector<std::string> prefixes;
  std::vector<std::vector<ShardRows>> expected;
  std::int64_t base = kNoBase;
  for (int i = 0; i < 8; ++i) {
    tables.Push(i == 0 ? 150 : 3 + i);
    if (i == 5) base = kNoBase;
    ASSERT_OK_AND_ASSIGN(const std::string prefix, tables.Save(dir.path(), base));
    prefixes.push_back(prefix);
    expected.push_back(tables.Export());
    if (base == kNoBase) {
      EXPECT_EQ(NumShardsWithChangesAlone(prefix), 0u);
    } else {
      EXPECT_GT(NumShardsWithChangesAlone(prefix), 200u) << i;
      EXPECT_LT(std::filesystem::file_size(DataFile(prefix)),
                std::filesystem::file_size(DataFile(prefixes[0])));
    }
    const auto bundle = OpenBundle(prefix);
    EXPECT_THAT(DescribeMismatch(tables.specs, SnapshotParts::kWeightsAndSlots, *bundle),
                IsEmpty());
    ASSERT_OK_AND_ASSIGN(const auto base_step, BaseStepOf(*bundle));
    EXPECT_EQ(base_step.value_or(kNoBase), base);
    EXPECT_OK(CheckBase(*bundle));
    base = tables.shards->version();
  }
  EXPECT_GT(tables.shards->unbounded(0)->statistics().expired, 0);
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    LocalTables loaded;
    ASSERT_OK(loaded.checkpointer.Load(prefixes[i]));
    ExpectSameRows(loaded.Export(), expected[i]);
  }
}

TEST(CheckpointChainTest, WhoeverCannotTellWhatHasChangedWritesAll) {
  const TempDir dir;
  LocalTables tables;
  const auto changes_on = [&](std::int64_t base) {
    tables.Push(1);
    const auto prefix = tables.Save(dir.path(), base);
    EXPECT_OK(prefix);
    return NumShardsWithChangesAlone(*prefix);
  };
  const auto version = [&] { return tables.shards->version(); };
  tables.Push(150);
  EXPECT_EQ(changes_on(version() - 1), 0u);  // There was none before.
  EXPECT_GT(changes_on(version()), 0u);
  EXPECT_EQ(changes_on(version() - 1), 0u);  // Not the one before.
  EXPECT_GT(changes_on(version()), 0u);
  const std::int64_t before = version();
  tables.Push(1);
  ASSERT_OK(tables.checkpointer.Cut());
  tables.checkpointer.GiveUp();
  EXPECT_EQ(changes_on(before), 0u);
  EXPECT_GT(changes_on(version()), 0u);
  // What is loaded is another thing than what was cut, though of the same step.
  ASSERT_OK_AND_ASSIGN(const std::string prefix, tables.Save(dir.path(), kNoBase));
  ASSERT_OK(tables.checkpointer.Load(prefix));
  EXPECT_EQ(changes_on(version()), 0u);
}

// A checkpoint on which two build, one after the other.
class BrokenChainTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) {
      tables_.Push(i == 0 ? 100 : 5);
      ASSERT_OK_AND_ASSIGN(
          prefixes_[i],
          tables_.Save(dir_.path(), i == 0 ? kNoBase : tables_.shards->version() - 5));
      expected_[i] = tables_.Export();
    }
    ASSERT_GT(NumShardsWithChangesAlone(prefixes_[2]), 0u);
  }
  absl::Status Load(int i) {
    LocalTables loaded;
    return loaded.checkpointer.Load(prefixes_[i]).status();
  }
  absl::Status CheckBaseOf(int i) { return CheckBase(*OpenBundle(prefixes_[i])); }

  const TempDir dir_;
  LocalTables tables_;
  std::string prefixes_[3];
  std::vector<ShardRows> expected_[3];
};

TEST_F(BrokenChainTest, AMissingBaseIsDamageThatNamesIt) {
  std::filesystem::remove(prefixes_[1] + ".index");
  const auto is_missing =
      StatusIs(absl::StatusCode::kDataLoss,
               AllOf(HasSubstr(prefixes_[2]), HasSubstr("builds on '" + prefixes_[1] + "'"),
                     HasSubstr("missing"), HasSubstr("an older one")));
  EXPECT_THAT(Load(2), is_missing);
  EXPECT_THAT(CheckBaseOf(2), is_missing);
  EXPECT_OK(Load(0));
}

TEST_F(BrokenChainTest, AFlippedBitInABaseIsFoundAndNamed) {
  const auto size = static_cast<std::streamoff>(std::filesystem::file_size(DataFile(prefixes_[0])));
  std::fstream file(DataFile(prefixes_[0]), std::ios::binary | std::ios::in | std::ios::out);
  const auto flip = [&](std::streamoff at) {
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 16));
    file.flush();
  };
  // A shard of which most has changed since does not need its base.
  constexpr int kNumFlips = 40;
  int num_found = 0;
  for (int i = 1; i < kNumFlips; ++i) {
    const std::streamoff at = size / kNumFlips * i;
    flip(at);
    LocalTables loaded;
    const absl::Status status = loaded.checkpointer.Load(prefixes_[2]).status();
    if (status.ok()) {
      ExpectSameRows(loaded.Export(), expected_[2]);
    } else {
      ++num_found;
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss,
                                   AllOf(HasSubstr(DataFile(prefixes_[0])), HasSubstr("CRC"))))
          << "byte " << at;
    }
    flip(at);
  }
  EXPECT_GT(num_found, kNumFlips / 2);
  EXPECT_OK(Load(2));
}

TEST_F(BrokenChainTest, AnotherBaseOfTheSameStepIsFoundOut) {
  LocalTables other;
  other.Push(100);
  other.shards->unbounded(2)->Update(100, std::vector<std::int64_t>{1}, std::vector<float>{0.5f});
  ASSERT_OK(other.Save(dir_.path(), kNoBase));
  const auto is_another = StatusIs(absl::StatusCode::kDataLoss,
                                   AllOf(HasSubstr("builds on '" + prefixes_[0] + "'"),
                                         HasSubstr("roomy/shard_"), HasSubstr("another one")));
  EXPECT_THAT(Load(1), is_another);
  EXPECT_THAT(Load(2), is_another);
  EXPECT_THAT(CheckBaseOf(1), is_another);
  EXPECT_OK(CheckBaseOf(2));  // Of what it builds on itself.
}

TEST_F(BrokenChainTest, ACopyUnderANameWithoutAStepSaysSo) {
  const std::string copy = dir_.File("backup");
  for (const char* const suffix : {".index", ".data-00000-of-00001"}) {
    std::filesystem::copy_file(prefixes_[1] + suffix, copy + suffix);
  }
  LocalTables loaded;
  EXPECT_THAT(loaded.checkpointer.Load(copy),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no step in its name")));
  ASSERT_OK_AND_ASSIGN(const std::string base, BasePrefix("a-1/b-20", 7));
  EXPECT_EQ(base, "a-1/b-7");
  EXPECT_FALSE(BasePrefix("a-1/b", 7).ok());
}

// Servers that are trained, and save one after another checkpoint.
class TrainedServers : public ServerThreads {
 public:
  explicit TrainedServers(int num_servers)
      : ServerThreads(ChainSpecs(), num_servers, {}),
        client(ConnectAndStart(0)),
        checkpointer(addresses, {.credentials = {"token"}, .self = {.index = 0}},
                     /*hold_to_cut=*/true) {}

  void Push(int times) {
    for (; times > 0; --times) {
      ops::Lookups lookups;
      lookups.tables.resize(3);
      lookups.tables[0].ids = pushes_.Ids();
      lookups.tables[2].ids = lookups.tables[0].ids;
      const Client::Pull pull = {.lookups = &lookups};
      ASSERT_OK(client->StartExchange(nullptr, &pull));
      ASSERT_OK(client->FinishExchange());
      ops::Gradients gradients;
      const std::size_t count = lookups.tables[0].ids.size();
      gradients.tables = {pushes_.Gradients(count * 3), pushes_.Gradients(7),
                          pushes_.Gradients(count)};
      const Client::Push push = {.gradients = &gradients, .pull = client->PullNumber()};
      ASSERT_OK(client->StartExchange(&push, nullptr));
      ASSERT_OK(client->FinishExchange());
    }
  }
  absl::StatusOr<std::string> Save(const std::string& directory, bool builds_on_last) {
    DIME_ASSIGN_OR_RETURN(const std::int64_t step, checkpointer.Cut());
    const std::string prefix = fmt::format("{}/model.ckpt-{}", directory, step);
    DIME_RETURN_IF_ERROR(checkpointer.StartWriting(
        prefix, builds_on_last ? std::optional(last_step_) : std::nullopt));
    Push(2);  // It goes on.
    DIME_RETURN_IF_ERROR(checkpointer.AwaitWritten());
    last_step_ = step;
    return prefix;
  }
  std::vector<ShardRows> ReadAll() {
    std::vector<ShardRows> rows;
    for (const std::size_t table : {0, 2}) {
      for (int s = 0; s < kNumShards; ++s) {
        const auto shard = client->servers().ReadShard(table, s);
        EXPECT_OK(shard);
        rows.push_back(*shard);
      }
    }
    return rows;
  }

  std::unique_ptr<Client> client;
  ServerCheckpointer checkpointer;

 private:
  RandomPushes pushes_;
  std::int64_t last_step_ = 0;
};

TEST(CheckpointChainTest, WhatServersSaveOneAfterAnotherAnyOthersLoad) {
  const TempDir dir;
  TrainedServers three(3);
  three.Push(120);
  std::string prefix;
  std::vector<ShardRows> expected;
  for (int i = 0; i < 4; ++i) {
    three.Push(4);
    expected = three.ReadAll();
    ASSERT_OK_AND_ASSIGN(prefix, three.Save(dir.path(), /*builds_on_last=*/i > 0));
    EXPECT_EQ(NumShardsWithChangesAlone(prefix) > 200, i > 0);
  }
  for (const int num_servers : {1, 3, 7}) {
    TrainedServers others(num_servers);
    ASSERT_OK(others.checkpointer.Load(prefix));
    ExpectSameRows(others.ReadAll(), expected);
  }
  LocalTables local;
  ASSERT_OK(local.checkpointer.Load(prefix));
  ExpectSameRows(local.Export(), expected);
}

TEST(CheckpointChainTest, AServerThatHasLoadedWritesAll) {
  const TempDir dir;
  TrainedServers servers(2);
  servers.Push(50);
  ASSERT_OK_AND_ASSIGN(const std::string first, servers.Save(dir.path(), false));
  ASSERT_OK(servers.checkpointer.Load(first));
  servers.Push(2);
  ASSERT_OK_AND_ASSIGN(const std::string second, servers.Save(dir.path(), true));
  EXPECT_EQ(NumShardsWithChangesAlone(second), 0u);
  servers.Push(2);
  ASSERT_OK_AND_ASSIGN(const std::string third, servers.Save(dir.path(), true));
  EXPECT_GT(NumShardsWithChangesAlone(third), 200u);
}

}  // namespace
}  // namespace dime::ps
