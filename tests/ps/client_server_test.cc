// Clients and servers together, over real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <stop_token>
#include <thread>
#include <vector>

#include "ps/client.h"
#include "ps/server.h"
#include "ps/server_checkpointer.h"
#include "tests/ps/server_threads.h"
#include "tests/ps/tables.h"
#include "tests/support/status_matchers.h"

namespace dime::ps {
namespace {

using Mode = cluster::Consistency::Kind;

using dime::testing::StatusIs;
using ::testing::HasSubstr;

std::vector<ops::TableSpec> KernelAndEmbeddingSpecs() {
  return {{.name = "kernel",
           .shape = {40, 5},
           .num_rows = 1,
           .dim = 200,
           .dense = true,
           .initializer = {ops::InitializerKind::kUniform, 0.5f},
           .optimizer = kAdagrad},
          {.name = "embedding",
           .shape = {5000, 3},
           .num_rows = 5000,
           .dim = 3,
           .initializer = {ops::InitializerKind::kTruncatedNormal, 0.5f},
           .optimizer = kAdagrad},
          {.name = "bias", .shape = {2}, .num_rows = 1, .dim = 2, .dense = true},
          {.name = "weights", .shape = {30, 1}, .num_rows = 30, .dim = 1, .optimizer = kAdagrad}};
}

// The embedding without a bound on its ids, with rows that come late and go soon.
std::vector<ops::TableSpec> UnboundedSpecs() {
  std::vector<ops::TableSpec> specs = KernelAndEmbeddingSpecs();
  specs[1].num_rows = 0;
  specs[1].shape = {0, 3};
  specs[1].unbounded = {.admit_after = 2, .evict_after_steps = 5, .max_bytes = 1 << 20};
  return specs;
}

class Cluster : public ServerThreads {
 public:
  Cluster(int num_servers, const ConsistencyOptions& consistency,
          net::Address::Kind kind = net::Address::Kind::kUnix,
          std::vector<ops::TableSpec> specs = KernelAndEmbeddingSpecs())
      : ServerThreads(std::move(specs), num_servers, consistency, kind) {}
};

ops::Lookups RandomLookups(unsigned seed) {
  std::mt19937 random(seed);
  ops::Lookups lookups;
  lookups.tables.resize(4);
  for (const auto& [table, num_rows, count] : {std::tuple{1, 5000, 100}, {3, 30, 8}}) {
    std::vector<std::int64_t>& ids = lookups.tables[static_cast<std::size_t>(table)].ids;
    while (std::ssize(ids) < count) {
      const std::int64_t id = random() % static_cast<unsigned>(num_rows);
      if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
    }
  }
  return lookups;
}

// A function of the rows, so that a wrong row would show.
ops::Gradients GradientsOf(const ops::Rows& rows, float scale) {
  ops::Gradients gradients;
  for (const std::span<const float> values : rows.tables) {
    auto& table = gradients.tables.emplace_back();
    for (const float value : values) table.push_back(scale * (value + 0.25f));
  }
  return gradients;
}

// Trains `num_steps` steps of one replica; what the specification does with plain tables.
std::vector<std::vector<float>> TrainPlainly(int num_steps) {
  const std::vector<ops::TableSpec> specs = KernelAndEmbeddingSpecs();
  std::vector<std::unique_ptr<Table>> tables;
  for (const ops::TableSpec& spec : specs) tables.push_back(*Table::Create(spec, 7));
  for (int step = 1; step <= num_steps; ++step) {
    const ops::Lookups lookups = RandomLookups(static_cast<unsigned>(step));
    std::vector<std::vector<float>> values(specs.size());
    ops::Rows rows;
    for (std::size_t t = 0; t < specs.size(); ++t) {
      const auto& ids = lookups.tables[t].ids;
      const std::int64_t count = specs[t].dense ? 1 : std::ssize(ids);
      values[t].resize(static_cast<std::size_t>(count * specs[t].dim));
      if (specs[t].dense) {
        tables[t]->CopyOut(0, 0, 1, values[t].data());
      } else {
        tables[t]->Gather(ids, values[t]);
      }
      rows.tables.emplace_back(values[t]);
    }
    const ops::Gradients gradients = GradientsOf(rows, 0.01f);
    for (std::size_t t = 0; t < specs.size(); ++t) {
      if (specs[t].dense) {
        tables[t]->UpdateAll(step, gradients.tables[t]);
      } else {
        tables[t]->Update(step, lookups.tables[t].ids, gradients.tables[t]);
      }
    }
  }
  std::vector<std::vector<float>> all;
  for (const auto& table : tables) {
    auto& values =
        all.emplace_back(static_cast<std::size_t>(table->num_rows() * table->spec().dim));
    table->CopyOut(0, 0, table->num_rows(), values.data());
  }
  return all;
}

void Train(Client& client, int num_steps) {
  ops::Gradients gradients;
  Client::Push push;
  for (int step = 1; step <= num_steps; ++step) {
    const ops::Lookups lookups = RandomLookups(static_cast<unsigned>(step));
    const Client::Pull pull = {.lookups = &lookups, .step = step};
    ASSERT_OK(client.StartExchange(step > 1 ? &push : nullptr, &pull));
    const auto rows = client.FinishExchange();
    ASSERT_OK(rows);
    gradients = GradientsOf(*rows, 0.01f);
    push = {.gradients = &gradients, .pull = client.PullNumber(), .step = step};
  }
  ASSERT_OK(client.StartExchange(&push, nullptr));
  ASSERT_OK(client.FinishExchange());
}

std::vector<std::vector<float>> ReadAll(Client& client, const std::vector<ops::TableSpec>& specs) {
  std::vector<std::vector<float>> all;
  for (std::size_t t = 0; t < specs.size(); ++t) {
    auto& values = all.emplace_back(static_cast<std::size_t>(specs[t].num_rows * specs[t].dim));
    EXPECT_OK(client.servers().ReadRows(t, 0, 0, specs[t].num_rows, values));
  }
  return all;
}

// The rows of all ids that RandomLookups() may ask for, as training sees them.
std::vector<std::vector<float>> PullAll(Client& client, std::int64_t step = 0) {
  ops::Lookups lookups;
  lookups.tables.resize(4);
  for (std::int64_t id = 0; id < 5000; ++id) lookups.tables[1].ids.push_back(id);
  for (std::int64_t id = 0; id < 30; ++id) lookups.tables[3].ids.push_back(id);
  const Client::Pull pull = {.lookups = &lookups, .step = step};
  EXPECT_OK(client.StartExchange(nullptr, &pull));
  const auto rows = client.FinishExchange();
  EXPECT_OK(rows);
  std::vector<std::vector<float>> all;
  for (const auto& values : rows->tables) all.emplace_back(values.begin(), values.end());
  return all;
}

class ClientServerTest
    : public ::testing::TestWithParam<std::tuple<int, net::Address::Kind, Mode>> {};

INSTANTIATE_TEST_SUITE_P(
    All, ClientServerTest,
    ::testing::Combine(::testing::Values(1, 2, 5),
                       ::testing::Values(net::Address::Kind::kUnix, net::Address::Kind::kTcp),
                       ::testing::Values(Mode::kAsync, Mode::kBounded, Mode::kSync)));

TEST_P(ClientServerTest, OneReplicaTrainsAsPlainTablesDo) {
  const auto [num_servers, kind, mode] = GetParam();
  Cluster cluster(num_servers, {.consistency = {mode, 0}}, kind);
  const auto client = cluster.ConnectAndStart(0);
  Train(*client, 20);
  EXPECT_EQ(ReadAll(*client, cluster.specs), TrainPlainly(20));
  EXPECT_EQ(client->Version(), 20);
}

// Gradients of four micro-batches, from three replicas that start at different times.
std::vector<std::vector<float>> TrainInSync(
    int num_servers, int num_replicas,
    std::vector<ops::TableSpec> specs = KernelAndEmbeddingSpecs()) {
  constexpr int kMicroBatches = 4;
  constexpr int kSteps = 10;
  Cluster cluster(
      num_servers,
      {.consistency = {Mode::kSync}, .num_replicas = num_replicas, .micro_batches = kMicroBatches},
      net::Address::Kind::kUnix, std::move(specs));
  {
    const auto master = cluster.ConnectAndStart(0);
    std::vector<std::jthread> threads;
    for (int replica = 0; replica < num_replicas; ++replica) {
      threads.emplace_back([&cluster, replica, num_replicas] {
        const auto client = cluster.Connect(static_cast<std::uint32_t>(replica));
        ops::Gradients gradients;
        Client::Push push;
        bool has_push = false;
        for (int step = 1; step <= kSteps; ++step) {
          for (int m = replica; m < kMicroBatches; m += num_replicas) {
            const ops::Lookups lookups =
                RandomLookups(static_cast<unsigned>(step * kMicroBatches + m));
            const Client::Pull pull = {.lookups = &lookups, .step = step};
            ASSERT_OK(client->StartExchange(has_push ? &push : nullptr, &pull));
            const auto rows = client->FinishExchange();
            ASSERT_OK(rows);
            gradients = GradientsOf(*rows, 0.01f * static_cast<float>(m + 1));
            push = {.gradients = &gradients,
                    .pull = client->PullNumber(),
                    .step = step,
                    .micro_batch = m};
            has_push = true;
          }
        }
        ASSERT_OK(client->StartExchange(&push, nullptr));
        ASSERT_OK(client->FinishExchange());
      });
    }
  }
  return PullAll(*cluster.Connect(0));
}

TEST(SyncTest, AnyNumberOfServersAndReplicasGivesTheSameBytes) {
  const auto expected = TrainInSync(1, 1);
  for (const auto& [num_servers, num_replicas] : {std::pair{1, 2}, {3, 2}, {1, 4}, {7, 3}}) {
    EXPECT_EQ(TrainInSync(num_servers, num_replicas), expected)
        << num_servers << " servers, " << num_replicas << " replicas";
  }
}

TEST(SyncTest, UnboundedTablesGiveTheSameBytesToo) {
  const auto expected = TrainInSync(1, 1, UnboundedSpecs());
  for (const auto& [num_servers, num_replicas] : {std::pair{1, 2}, {2, 1}, {3, 2}, {11, 4}}) {
    EXPECT_EQ(TrainInSync(num_servers, num_replicas, UnboundedSpecs()), expected)
        << num_servers << " servers, " << num_replicas << " replicas";
  }
  // Some ids have rows and others have none, or all of this says little.
  Cluster untrained(1, {}, net::Address::Kind::kUnix, UnboundedSpecs());
  const auto initial = PullAll(*untrained.ConnectAndStart(0));
  std::size_t num_different = 0;
  for (std::size_t i = 0; i < initial[1].size(); i += 3) {
    num_different += initial[1][i] != expected[1][i];
  }
  EXPECT_GT(num_different, 100u);
  EXPECT_LT(num_different, 4900u);
}

TEST(ClientTest, RowsCanBeOnTheirWayWhileAStepIsComputed) {
  Cluster cluster(2, {});
  const auto client = cluster.ConnectAndStart(0);
  const ops::Lookups lookups[] = {RandomLookups(1), RandomLookups(2), RandomLookups(3)};
  const Client::Pull pulls[] = {{&lookups[0]}, {&lookups[1]}, {&lookups[2]}};
  ASSERT_OK(client->StartExchange(nullptr, &pulls[0]));
  const auto first = client->FinishExchange();
  ASSERT_OK(first);
  const std::uint64_t first_pull = client->PullNumber();
  ASSERT_OK(client->StartExchange(nullptr, &pulls[1]));
  const ops::Gradients gradients = GradientsOf(*first, 0.1f);  // While they are on their way.
  ASSERT_OK(client->FinishExchange());
  const Client::Push push = {.gradients = &gradients, .pull = first_pull};
  ASSERT_OK(client->StartExchange(&push, &pulls[2]));
  ASSERT_OK(client->FinishExchange());
  const auto statistics = client->servers().ReadStatistics();
  ASSERT_OK(statistics);
  EXPECT_EQ(statistics->front().version, 1);
  EXPECT_EQ(statistics->front().staleness[0], 1);
}

TEST(ClientTest, AnswersOfManyFramesArriveWhole) {
  ops::TableSpec sparse = KernelAndEmbeddingSpecs()[1];
  sparse.num_rows = 200'000;
  sparse.shape = {sparse.num_rows, sparse.dim};
  ops::TableSpec dense = KernelAndEmbeddingSpecs()[0];
  dense.dim = 1 << 20;
  dense.shape = {dense.dim};
  for (const auto kind : {net::Address::Kind::kUnix, net::Address::Kind::kTcp}) {
    for (const int num_servers : {1, 3}) {
      Cluster cluster(num_servers, {}, kind, {sparse, dense});
      const auto client = cluster.ConnectAndStart(0);
      ops::Lookups lookups;
      lookups.tables.resize(2);
      for (std::int64_t i = 0; i < sparse.num_rows; i += 2) {
        lookups.tables[0].ids.push_back(sparse.num_rows - 1 - i);
      }
      const Client::Pull pull = {.lookups = &lookups};
      ASSERT_OK(client->StartExchange(nullptr, &pull));
      const auto rows = client->FinishExchange();
      ASSERT_OK(rows);
      const auto all = ReadAll(*client, cluster.specs);
      std::vector<float> expected;
      for (const std::int64_t id : lookups.tables[0].ids) {
        const auto at = all[0].begin() + id * sparse.dim;
        expected.insert(expected.end(), at, at + sparse.dim);
      }
      EXPECT_TRUE(std::ranges::equal(rows->tables[0], expected));
      EXPECT_TRUE(std::ranges::equal(rows->tables[1], all[1]));
    }
  }
}

TEST(ClientTest, WaitingForAReplicaThatDoesNotComeHasAnEndAndNamesTheServer) {
  Cluster cluster(1, {.consistency = {Mode::kSync}, .num_replicas = 2, .micro_batches = 2});
  const auto master = cluster.ConnectAndStart(0);
  auto client = Client::Connect(cluster.specs, cluster.sharding, cluster.addresses,
                                {.credentials = {"token"},
                                 .self = NameOfReplica(1),
                                 .answer_time = std::chrono::milliseconds(50)});
  ASSERT_OK(client);
  const ops::Lookups lookups = RandomLookups(1);
  const Client::Pull pull = {.lookups = &lookups, .step = 2};
  ASSERT_OK((*client)->StartExchange(nullptr, &pull));
  const absl::Status status = (*client)->FinishExchange().status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_THAT(std::string(base::MessageOf(status)), HasSubstr("ps-0 at unix:"));
}

TEST(ClientTest, WhatSteersAJobIsTheMastersAlone) {
  Cluster cluster(1, {.num_replicas = 2});
  const auto master = cluster.ConnectAndStart(0);
  const auto worker = cluster.Connect(1);
  for (const absl::Status& status :
       {worker->servers().Prepare({.seed = 8}), worker->servers().Start({.seed = 8})}) {
    EXPECT_THAT(status, dime::testing::StatusIs(
                            absl::StatusCode::kPermissionDenied,
                            HasSubstr("the master's alone, and replica 1 is a worker")));
  }
  EXPECT_OK(worker->servers().Leave());  // The connection is still good.
}

TEST(ClientTest, AServerThatIsNotPreparedSaysSo) {
  Cluster cluster(1, {});
  const auto client = cluster.Connect(0);
  const ops::Lookups lookups = RandomLookups(1);
  const Client::Pull pull = {.lookups = &lookups};
  ASSERT_OK(client->StartExchange(nullptr, &pull));
  EXPECT_TRUE(absl::IsFailedPrecondition(client->FinishExchange().status()));
  ASSERT_OK(client->servers().Prepare({.seed = 7}));  // The connection is still good.
}

TEST(ClientTest, AServerThatIsGoneIsNamed) {
  Cluster cluster(2, {});
  const auto client = cluster.Connect(0);
  cluster.Stop();
  const ops::Lookups lookups = RandomLookups(1);
  const Client::Pull pull = {.lookups = &lookups};
  absl::Status status = client->StartExchange(nullptr, &pull);
  if (status.ok()) status = client->FinishExchange().status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(base::MessageOf(status)), HasSubstr("ps-"));
  // Whoever tries again is told again.
  for (int i = 0; i < 3; ++i) {
    status = client->StartExchange(nullptr, &pull);
    if (status.ok()) status = client->FinishExchange().status();
    EXPECT_TRUE(absl::IsUnavailable(status));
  }
}

// A server, driven by hand with frames.
class ServerTest : public ::testing::Test {
 protected:
  explicit ServerTest(std::vector<ops::TableSpec> specs = KernelAndEmbeddingSpecs())
      : specs_(std::move(specs)),
        server_(
            [this](std::uint64_t seed) {
              auto shards =
                  Shards::Create(specs_, Sharding(specs_, 1), 0, seed, {.num_replicas = 2});
              if (shards.ok()) shards_ = shards->get();
              return shards;
            },
            2, [this](auto, const net::FrameHeader& header, auto) { answers_.push_back(header); }) {
    server_.OnConnected(1, {.index = 0});
    EXPECT_OK(Send(MessageType::kPrepare, {7, 0, 0, 0}));
    answers_.clear();
  }

  absl::Status Send(MessageType type, const std::vector<std::uint32_t>& words) {
    return server_.OnFrame(1, {.type = static_cast<std::uint8_t>(type)},
                           std::as_bytes(std::span(words)));
  }
  // An exchange's words: numbers of 64 bits, then micro-batch and replica, then the rest.
  static std::vector<std::uint32_t> Exchange(const std::vector<std::uint64_t>& numbers,
                                             std::uint32_t replica,
                                             const std::vector<std::uint32_t>& rest) {
    std::vector<std::uint32_t> words;
    for (const std::uint64_t n : numbers) {
      words.push_back(static_cast<std::uint32_t>(n));
      words.push_back(static_cast<std::uint32_t>(n >> 32));
    }
    words.push_back(0);
    words.push_back(replica);
    words.insert(words.end(), rest.begin(), rest.end());
    return words;
  }

  const std::vector<ops::TableSpec> specs_;
  std::vector<net::FrameHeader> answers_;
  const Shards* shards_ = nullptr;  // The server's.
  Server server_;
};

TEST_F(ServerTest, AWholePullIsAnswered) {
  EXPECT_OK(Send(MessageType::kExchange, Exchange({0, 0, 0, 1, 0}, 0, {0, 2, 0, 1, 4999, 0, 29})));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].type, static_cast<std::uint8_t>(MessageType::kRows));
}

TEST_F(ServerTest, WhatIsNoMessageIsRefused) {
  const std::vector<std::vector<std::uint32_t>> bad = {
      {},
      {1, 2, 3},
      Exchange({0, 0, 0, 1, 0}, 0, {}),                         // No counts.
      Exchange({0, 0, 0, 1, 0}, 0, {0, 2, 0, 0, 1}),            // A row is missing.
      Exchange({0, 0, 0, 1, 0}, 0, {0, 1, 0, 0, 1, 7}),         // One too many.
      Exchange({0, 0, 0, 1, 0}, 0, {0, 1, 0, 0, 5000}),         // No such row.
      Exchange({0, 0, 0, 1, 0}, 0, {1, 0, 0, 0, 0}),            // Rows of a dense table.
      Exchange({0, 0, 0, 1, 0}, 0, {0, 0xffffffffu, 0, 0, 1}),  // More than memory has.
      Exchange({0, 0, 0, 1, 0}, 1, {0, 0, 0, 0}),               // For another replica.
      Exchange({0, 0, 0, 1, 0}, 2, {0, 0, 0, 0}),               // For one that is not there.
  };
  for (const auto& words : bad) {
    EXPECT_TRUE(absl::IsDataLoss(Send(MessageType::kExchange, words)));
  }
  EXPECT_TRUE(absl::IsDataLoss(Send(MessageType::kRead, {0, 0, 0, 0, 2, 0})));  // Two rows of one.
  EXPECT_TRUE(absl::IsDataLoss(Send(MessageType::kRead, {4, 0, 0, 0, 0, 0})));
  EXPECT_TRUE(absl::IsDataLoss(Send(MessageType::kRead, {0, 2, 0, 0, 0, 0})));
  EXPECT_TRUE(absl::IsDataLoss(Send(MessageType::kPrepare, {1})));
  EXPECT_TRUE(absl::IsDataLoss(Send(MessageType::kStart, {0, 0, 0, 1u << 31})));  // Step -2^63.
  EXPECT_TRUE(absl::IsDataLoss(Send(static_cast<MessageType>(200), {})));
  EXPECT_TRUE(answers_.empty());
}

std::vector<float> Rounded(ops::Precision precision, std::vector<float> values) {
  std::vector<std::uint16_t> halves(values.size());
  ops::ToHalves(precision, values, halves);
  ops::FromHalves(precision, halves, values);
  return values;
}

// What is pulled has 16 bits; what servers keep has 32, and is the same on any number of them.
TEST(PrecisionTest, ValuesOfSixteenBitsTrainWithAnyNumberOfServers) {
  for (const auto precision : {ops::Precision::kBfloat16, ops::Precision::kFloat16}) {
    std::vector<std::vector<std::vector<float>>> results;
    for (const int num_servers : {1, 2, 5}) {
      Cluster cluster(num_servers, {}, net::Address::Kind::kUnix, KernelAndEmbeddingSpecs());
      cluster.precision = precision;
      const auto client = cluster.ConnectAndStart(0);
      Train(*client, 20);
      const auto kept = ReadAll(*client, cluster.specs);
      const auto pulled = PullAll(*client, /*step=*/21);
      EXPECT_EQ(PullAll(*client), kept);  // Not to train with.
      for (std::size_t t = 0; t < kept.size(); ++t) {
        EXPECT_EQ(pulled[t], Rounded(precision, kept[t])) << num_servers << " servers, table " << t;
        EXPECT_NE(pulled[0], kept[0]);
      }
      results.push_back(kept);
    }
    EXPECT_EQ(results[1], results[0]);
    EXPECT_EQ(results[2], results[0]);
  }
}

TEST(PrecisionTest, UnboundedTablesToo) {
  std::vector<std::vector<std::vector<float>>> results;
  for (const int num_servers : {1, 3}) {
    Cluster cluster(num_servers, {}, net::Address::Kind::kUnix, UnboundedSpecs());
    cluster.precision = ops::Precision::kBfloat16;
    const auto client = cluster.ConnectAndStart(0);
    Train(*client, 20);
    results.push_back(PullAll(*client));
  }
  EXPECT_EQ(results[1], results[0]);
}

TEST(ClientTest, StatisticsTellOfUnboundedTables) {
  Cluster cluster(3, {}, net::Address::Kind::kUnix, UnboundedSpecs());
  const auto client = cluster.ConnectAndStart(0);
  Train(*client, 20);
  const auto statistics = client->servers().ReadStatistics();
  ASSERT_OK(statistics);
  UnboundedStatistics sum;
  for (const ServerStatistics& server : *statistics) {
    sum.rows += server.unbounded.rows;
    sum.admitted += server.unbounded.admitted;
    sum.expired += server.unbounded.expired;
    sum.dropped += server.unbounded.dropped;
  }
  EXPECT_GT(sum.admitted, 0);
  EXPECT_EQ(sum.rows, sum.admitted - sum.expired);
  EXPECT_GT(sum.dropped, 20 * 50);  // Most ids are seen once.
}

class UnboundedServerTest : public ServerTest {
 protected:
  UnboundedServerTest() : ServerTest(UnboundedSpecs()) {}
};

TEST_F(UnboundedServerTest, IdsHaveEightBytesAndMayBeAnyFromZero) {
  EXPECT_OK(Send(MessageType::kExchange,
                 Exchange({0, 0, 0, 1, 0}, 0, {0, 2, 0, 1, 4999, 0, 7, 0x70000000, 29})));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].type, static_cast<std::uint8_t>(MessageType::kRows));
}

TEST_F(UnboundedServerTest, WhatIsNoIdIsRefused) {
  const std::vector<std::vector<std::uint32_t>> bad = {
      Exchange({0, 0, 0, 1, 0}, 0, {0, 1, 0, 0, 1}),                       // Half an id.
      Exchange({0, 0, 0, 1, 0}, 0, {0, 1, 0, 0, 1, 0x80000000}),           // Below zero.
      Exchange({0, 0, 0, 1, 0}, 0, {0, 1, 0, 0, 0xffffffff, 0x7fffffff}),  // The largest number.
      Exchange({0, 0, 0, 1, 0}, 0, {0, 0xffffffffu, 0, 0, 1}),             // More than memory has.
  };
  for (const auto& words : bad) {
    EXPECT_TRUE(absl::IsDataLoss(Send(MessageType::kExchange, words)));
  }
  EXPECT_TRUE(absl::IsDataLoss(Send(MessageType::kRead, {1, 0, 0, 0, 1, 0})));
  EXPECT_TRUE(answers_.empty());
}

TEST_F(ServerTest, AnUnknownPrecisionIsRefused) {
  std::vector<std::uint32_t> words = Exchange({0, 0, 0, 1, 0}, 0, {0, 0, 0, 0});
  words[11] = 2U << 16;
  EXPECT_OK(Send(MessageType::kExchange, words));
  words[11] = 3U << 16;
  EXPECT_TRUE(absl::IsDataLoss(Send(MessageType::kExchange, words)));
}

TEST_F(ServerTest, APushWithoutItsPullIsRefusedAndNothingChanges) {
  EXPECT_OK(Send(MessageType::kExchange, Exchange({1, 0, 5, 0, 0}, 0, {})));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].type, static_cast<std::uint8_t>(MessageType::kRefused));
  EXPECT_EQ(shards_->version(), 0);
}

TEST_F(ServerTest, APushThatComesTwiceIsAppliedOnce) {
  ASSERT_OK(Send(MessageType::kExchange, Exchange({0, 0, 0, 1, 0}, 0, {0, 0, 0, 0})));
  const std::vector<std::uint32_t> gradients(202, 0x3f800000);  // 1.0f for each dense weight.
  for (int i = 0; i < 3; ++i) {
    EXPECT_OK(Send(MessageType::kExchange, Exchange({1, 0, 1, 0, 0}, 0, gradients)));
  }
  EXPECT_EQ(shards_->version(), 1);
  EXPECT_OK(Send(MessageType::kExchange, Exchange({2, 0, 1, 0, 0}, 0, gradients)));
  EXPECT_EQ(shards_->version(), 2);
  EXPECT_EQ(answers_.size(), 5u);
}

// A server that takes connections and says nothing.
TEST(ClientTest, AStopEndsTheConnectingToASilentServer) {
  ASSERT_OK_AND_ASSIGN(const net::Listener silent, net::Listener::Open({.host = "127.0.0.1"}));
  const std::vector<std::vector<net::Address>> servers = {{silent.address()}};
  const std::vector<ops::TableSpec> specs = KernelAndEmbeddingSpecs();
  const Sharding sharding(specs, 1);
  for (const bool is_the_jobs_end : {false, true}) {
    std::stop_source stop;
    ClientOptions options = {.credentials = {"token"},
                             .self = NameOfReplica(0),
                             .connect_time = std::chrono::minutes(10)};
    (is_the_jobs_end ? options.stop : options.stop_connecting) = stop.get_token();
    const std::jthread stopper([&] { stop.request_stop(); });
    EXPECT_THAT(Client::Connect(specs, sharding, servers, options),
                StatusIs(absl::StatusCode::kCancelled, HasSubstr("connecting to ps-0")));
    ServerCheckpointer checkpointer(servers, options, /*hold_to_cut=*/true);
    EXPECT_THAT(checkpointer.Load("nowhere"),
                StatusIs(absl::StatusCode::kCancelled, HasSubstr("connecting to ps-0")));
  }
}

}  // namespace
}  // namespace dime::ps
