// Checkpoints of servers that train, and of tables in one process.
#include "ps/checkpointer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "ps/server_checkpointer.h"
#include "ps/snapshot.h"
#include "runtime/checkpoint/bundle.h"
#include "tests/ps/server_threads.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::ps {
namespace {

using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Mode = cluster::Consistency::Kind;

constexpr int kNumCounters = 5;
constexpr std::int64_t kNumRows = 3'000;

// Variables that each push makes larger by 1, on different servers; and rows.
std::vector<ops::TableSpec> CounterSpecs() {
  const ops::OptimizerSpec sgd = {.kind = ops::OptimizerKind::kSgd, .learning_rate = 1.0f};
  std::vector<ops::TableSpec> specs;
  for (int i = 0; i < kNumCounters; ++i) {
    specs.push_back({.name = fmt::format("counter-{}", i),
                     .shape = {2},
                     .num_rows = 1,
                     .dim = 2,
                     .dense = true,
                     .optimizer = sgd});
  }
  specs.push_back({.name = "rows",
                   .shape = {kNumRows, 4},
                   .num_rows = kNumRows,
                   .dim = 4,
                   .initializer = {ops::InitializerKind::kUniform, 0.5f},
                   .optimizer = {.kind = ops::OptimizerKind::kAdagrad, .learning_rate = 0.1f}});
  return specs;
}

class Servers : public ServerThreads {
 public:
  explicit Servers(int num_servers, const ConsistencyOptions& consistency = {})
      : ServerThreads(CounterSpecs(), num_servers, consistency) {}

  std::unique_ptr<ServerCheckpointer> Checkpointer() {
    return std::make_unique<ServerCheckpointer>(
        addresses, ClientOptions{.credentials = {"token"}, .self = {.index = 0}},
        /*hold_to_cut=*/true);
  }
};

absl::Status Save(Checkpointer& checkpointer, const std::string& prefix) {
  DIME_RETURN_IF_ERROR(checkpointer.Cut().status());
  DIME_RETURN_IF_ERROR(checkpointer.StartWriting(prefix));
  return checkpointer.AwaitWritten();
}

// Pushes until told to stop.
void TrainCounters(Client& client, unsigned seed, int num_steps,
                   const std::atomic<bool>* stop = nullptr) {
  ops::Gradients gradients;
  ops::Lookups lookups;
  lookups.tables.resize(kNumCounters + 1);
  Client::Push push;
  for (int step = 0; step <= num_steps && (stop == nullptr || !*stop); ++step) {
    auto& ids = lookups.tables.back().ids;
    ids.clear();
    for (std::int64_t id = (seed * 7 + step * 13) % 50; id < kNumRows; id += 97) ids.push_back(id);
    const Client::Pull pull = {.lookups = &lookups};
    ASSERT_OK(client.StartExchange(step > 0 ? &push : nullptr, &pull));
    ASSERT_OK(client.FinishExchange());
    gradients.tables.assign(kNumCounters, {-1.0f, -1.0f});
    gradients.tables.emplace_back(ids.size() * 4, 0.5f);
    push = {.gradients = &gradients, .pull = client.PullNumber()};
  }
}

absl::Status PushToRow(Client& client, std::int64_t id, float gradient) {
  ops::Lookups lookups;
  lookups.tables.resize(kNumCounters + 1);
  lookups.tables.back().ids = {id};
  const Client::Pull pull = {.lookups = &lookups};
  DIME_RETURN_IF_ERROR(client.StartExchange(nullptr, &pull));
  DIME_RETURN_IF_ERROR(client.FinishExchange().status());
  ops::Gradients gradients;
  gradients.tables.assign(kNumCounters, {0.0f, 0.0f});
  gradients.tables.push_back(std::vector<float>(4, gradient));
  const Client::Push push = {.gradients = &gradients, .pull = client.PullNumber()};
  DIME_RETURN_IF_ERROR(client.StartExchange(&push, nullptr));
  return client.FinishExchange().status();
}

std::vector<std::vector<float>> ReadAllParts(Client& client) {
  std::vector<std::vector<float>> values;
  const std::vector<ops::TableSpec> specs = CounterSpecs();
  for (std::size_t t = 0; t < specs.size(); ++t) {
    for (int part = 0; part <= ops::NumSlots(specs[t].optimizer.kind); ++part) {
      auto& to = values.emplace_back(static_cast<std::size_t>(specs[t].num_rows * specs[t].dim));
      EXPECT_OK(client.servers().ReadRows(t, part, 0, specs[t].num_rows, to));
    }
  }
  return values;
}

TEST(CheckpointerTest, WhatAnyServersSaveAnyOthersLoad) {
  const TempDir dir;
  std::vector<std::vector<float>> expected;
  {
    Servers servers(3);
    const auto client = servers.ConnectAndStart(0);
    TrainCounters(*client, 1, 20);
    ASSERT_OK(Save(*servers.Checkpointer(), dir.File("b-3")));
    expected = ReadAllParts(*client);
  }
  const auto load_and_save = [&](int num_servers, const std::string& from, const std::string& to) {
    Servers servers(num_servers);
    const auto client = servers.Connect(0);
    EXPECT_OK(client->servers().Prepare({.seed = 8}));
    const auto checkpointer = servers.Checkpointer();
    ASSERT_OK_AND_ASSIGN(const std::int64_t step, checkpointer->Load(dir.File(from)));
    EXPECT_EQ(step, 20);
    EXPECT_TRUE(ReadAllParts(*client) == expected) << from << " into " << num_servers;
    ASSERT_OK(Save(*checkpointer, dir.File(to)));
  };
  load_and_save(1, "b-3", "b-1");
  load_and_save(11, "b-1", "b-11");

  std::vector<std::unique_ptr<Table>> tables;
  std::vector<Table*> pointers;
  for (const ops::TableSpec& spec : CounterSpecs()) {
    tables.push_back(*Table::Create(spec, 9));
    pointers.push_back(tables.back().get());
  }
  std::int64_t version = 0;
  LocalCheckpointer local(
      pointers, [&] { return version; }, [&](std::int64_t v) { version = v; });
  ASSERT_OK(local.Load(dir.File("b-11")));
  EXPECT_EQ(version, 20);
  ASSERT_OK(Save(local, dir.File("b-local")));
  load_and_save(2, "b-local", "b-2");
}

TEST(CheckpointerTest, APushIsOnAllServersOrOnNone) {
  constexpr int kReplicas = 3;
  const TempDir dir;
  Servers servers(3, {.consistency = {Mode::kAsync}, .num_replicas = kReplicas});
  const auto master = servers.ConnectAndStart(0);
  std::atomic<bool> stop = false;
  std::vector<std::jthread> replicas;
  for (unsigned r = 0; r < kReplicas; ++r) {
    replicas.emplace_back([&, r] {
      const auto client = servers.Connect(r);
      TrainCounters(*client, r, 1'000'000, &stop);
    });
  }
  const auto checkpointer = servers.Checkpointer();
  std::int64_t before = -1;
  for (int save = 0; save < 20; ++save) {
    const std::string prefix = dir.File(fmt::format("b-{}", save));
    ASSERT_OK_AND_ASSIGN(const std::int64_t cut, checkpointer->Cut());
    ASSERT_OK(checkpointer->StartWriting(prefix));
    ASSERT_OK(checkpointer->AwaitWritten());
    ASSERT_OK_AND_ASSIGN(const auto bundle,
                         checkpoint::BundleReader::Open(storage::LocalFileSystem(), prefix));
    ASSERT_OK_AND_ASSIGN(const std::int64_t step, bundle->ReadInt64("global_step"));
    EXPECT_EQ(step, cut);
    EXPECT_GE(step, before);
    before = step;
    for (int i = 0; i < kNumCounters; ++i) {
      std::vector<float> counter(2);
      ASSERT_OK(bundle->ReadFloats(fmt::format("counter-{}", i), counter));
      EXPECT_EQ(counter, std::vector<float>(2, static_cast<float>(step))) << i;
    }
    EXPECT_OK(bundle->Verify());
  }
  EXPECT_GT(before, 0);
  stop = true;
}

TEST(CheckpointerTest, WeightsThatAreNoNumbersEndTheSaveAndNotTheServers) {
  const TempDir dir;
  Servers servers(3);
  const auto client = servers.ConnectAndStart(0);
  ASSERT_OK(PushToRow(*client, 1'000, std::numeric_limits<float>::quiet_NaN()));
  const auto checkpointer = servers.Checkpointer();
  EXPECT_THAT(Save(*checkpointer, dir.File("b")),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("ps-"), HasSubstr("'rows'"), HasSubstr("diverged"))));
  EXPECT_FALSE(storage::LocalFileSystem().Exists(dir.File("b.index")));
  ASSERT_OK(client->servers().Prepare({.seed = 7}));
  TrainCounters(*client, 1, 3);
  EXPECT_OK(Save(*checkpointer, dir.File("b")));
}

TEST(CheckpointerTest, OneServerThatCannotWriteFailsTheSaveAndNotTraining) {
  const TempDir dir;
  Servers servers(3);
  const auto client = servers.ConnectAndStart(0);
  const auto checkpointer = servers.Checkpointer();
  const std::string obstacle = checkpoint::BundleFiles(dir.File("b"), 3)[1];
  std::filesystem::create_directory(obstacle);
  EXPECT_THAT(Save(*checkpointer, dir.File("b")).message(),
              AllOf(HasSubstr("ps-1"), HasSubstr(obstacle)));
  EXPECT_FALSE(storage::LocalFileSystem().Exists(dir.File("b.index")));
  TrainCounters(*client, 1, 3);
  std::filesystem::remove(obstacle);
  EXPECT_OK(Save(*checkpointer, dir.File("b")));
}

TEST(CheckpointerTest, DamageInOneSliceIsNamed) {
  const TempDir dir;
  Servers servers(3);
  const auto client = servers.ConnectAndStart(0);
  const auto checkpointer = servers.Checkpointer();
  ASSERT_OK(Save(*checkpointer, dir.File("b")));
  const std::string path = checkpoint::BundleFiles(dir.File("b"), 3)[2];
  ASSERT_OK_AND_ASSIGN(std::string bytes, storage::LocalFileSystem().ReadFile(path));
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  ASSERT_OK(storage::LocalFileSystem().WriteAtomically(path, bytes));
  EXPECT_THAT(checkpointer->Load(dir.File("b")),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(path), HasSubstr("'rows"), HasSubstr("rows "))));
  ASSERT_OK(storage::LocalFileSystem().DeleteFile(path));
  EXPECT_THAT(checkpointer->Load(dir.File("b")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path)));
  EXPECT_THAT(checkpointer->Load(dir.File("none")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

TEST(CheckpointerTest, WhatIsGivenUpIsNoObstacleToTheNext) {
  const TempDir dir;
  Servers servers(3);
  const auto client = servers.ConnectAndStart(0);
  const auto checkpointer = servers.Checkpointer();
  ASSERT_OK(checkpointer->Cut());
  checkpointer->GiveUp();
  EXPECT_THAT(checkpointer->IsWritten(),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("no checkpoint")));
  TrainCounters(*client, 1, 3);
  EXPECT_OK(Save(*checkpointer, dir.File("b")));
}

}  // namespace
}  // namespace dime::ps
