// Training replicas in threads of this process; parameter servers too, over real sockets.
#include "worker/all_reduce_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ps/server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "worker/collective/in_process.h"
#include "worker/server_store.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::testing::HasSubstr;

constexpr std::uint64_t kSeed = 7;
constexpr std::chrono::minutes kStorePatience{1};
constexpr std::int64_t kSteps = 4;

ops::TableSpec ReplicatedSpec(const std::string& name, std::int64_t num_rows, std::int64_t dim,
                              bool dense, ops::OptimizerKind kind) {
  return {.name = name,
          .shape = {num_rows, dim},
          .num_rows = num_rows,
          .dim = dim,
          .dense = dense,
          .initializer = {ops::InitializerKind::kUniform, 1.0f},
          .optimizer = {.kind = kind, .learning_rate = 0.1f}};
}

std::vector<ops::TableSpec> Specs(std::int64_t kernel_floats = 333) {
  return {ReplicatedSpec("kernel", 1, kernel_floats, true, ops::OptimizerKind::kAdagrad),
          ReplicatedSpec("embedding", 500, 3, false, ops::OptimizerKind::kAdagrad),
          ReplicatedSpec("matrix", 5, 7, true, ops::OptimizerKind::kAdam),
          ReplicatedSpec("bias", 1, 2, true, ops::OptimizerKind::kFtrl)};
}

ops::Lookups LookupsOf(std::int64_t batch) {
  ops::Lookups lookups;
  lookups.tables.resize(4);
  for (std::int64_t i = 0; i < 20; ++i) {
    lookups.tables[1].ids.push_back((batch * 37 + i * 11) % 500);
  }
  return lookups;
}

ops::Gradients GradientsOf(const ops::Rows& rows, std::int64_t batch) {
  ops::Gradients gradients;
  for (const std::span<const float> values : rows.tables) {
    auto& table = gradients.tables.emplace_back();
    for (const float value : values) {
      table.push_back((value + 0.25f) / static_cast<float>(3 + batch % 7));
    }
  }
  return gradients;
}

// One replica's part of kSteps steps, as worker/train_loop.h takes them.
absl::Status TakeSteps(ParameterStore& store, int replica, int num_replicas, int micro_batches) {
  ops::Lookups lookups;
  ops::Gradients gradients;
  std::optional<Push> push;
  for (std::int64_t step = 1; step <= kSteps; ++step) {
    for (int m = replica; m < micro_batches; m += num_replicas) {
      const std::int64_t batch = step * micro_batches + m;
      ops::Lookups next = LookupsOf(batch);
      DIME_ASSIGN_OR_RETURN(const ops::Rows rows, store.Exchange(push ? &*push : nullptr,
                                                                 {.lookups = &next, .step = step}));
      gradients = GradientsOf(rows, batch);
      lookups = std::move(next);
      push = {.step = step, .micro_batch = m, .lookups = &lookups, .gradients = &gradients};
    }
  }
  return store.Exchange(&*push, {}).status();
}

ps::ConsistencyOptions Sync(int num_replicas, int micro_batches) {
  return {.consistency = {.kind = cluster::Consistency::Kind::kSync},
          .num_replicas = num_replicas,
          .micro_batches = micro_batches};
}

// All parts of all rows.
std::vector<float> AllValues(ps::RowAccess& rows) {
  std::vector<float> all;
  for (std::size_t t = 0; t < rows.specs().size(); ++t) {
    const ops::TableSpec& spec = rows.specs()[t];
    for (int part = 0; part <= ops::NumSlots(spec.optimizer.kind); ++part) {
      std::vector<float> values(static_cast<std::size_t>(spec.num_rows * spec.dim));
      EXPECT_OK(rows.ReadRows(t, part, 0, spec.num_rows, values));
      all.insert(all.end(), values.begin(), values.end());
    }
  }
  return all;
}

// A parameter server that counts what comes in and goes out.
class CountedServer final : public net::FrameHandler {
 public:
  CountedServer(const net::Address& address, ps::Server::MakeShards make_shards, int num_replicas)
      : frames_(*net::FrameServer::Open({&address, 1}, {"token"}, {})),
        server_(std::move(make_shards), num_replicas,
                [this](auto connection, const auto& header, auto parts) {
                  num_bytes += net::SizeOf(parts);
                  frames_->Send(connection, header, parts);
                }),
        thread_([this](std::stop_token stop) { EXPECT_OK(frames_->Run(*this, stop)); }) {}

  void OnConnected(net::ConnectionId connection, const net::PeerName& peer) override {
    server_.OnConnected(connection, peer);
  }
  absl::Status OnFrame(net::ConnectionId connection, const net::FrameHeader& header,
                       std::span<const std::byte> payload) override {
    num_bytes += payload.size();
    return server_.OnFrame(connection, header, payload);
  }
  void OnClosed(net::ConnectionId connection) override { server_.OnClosed(connection); }
  void OnTick() override { server_.OnTick(); }

  std::atomic<std::size_t> num_bytes = 0;

 private:
  std::unique_ptr<net::FrameServer> frames_;
  ps::Server server_;
  std::jthread thread_;
};

// Parameter servers of the sparse rows.
class Servers {
 public:
  Servers(const std::vector<ops::TableSpec>& specs, int num_servers,
          const ps::ConsistencyOptions& options)
      : specs_(WithoutDenseRows(specs)), sharding_(specs_, num_servers) {
    for (int s = 0; s < num_servers; ++s) {
      const net::Address address = {.kind = net::Address::Kind::kUnix,
                                    .host = dir_.File("ps-" + std::to_string(s))};
      addresses_.push_back({address});
      servers_.push_back(std::make_unique<CountedServer>(
          address,
          [this, s, options](std::uint64_t seed) {
            return ps::Shards::Create(specs_, sharding_, s, seed, options);
          },
          options.num_replicas));
    }
  }

  std::unique_ptr<ServerStore> Connect(int replica) {
    return *ServerStore::Connect(
        specs_, addresses_,
        {.credentials = {"token"}, .self = ps::NameOfReplica(static_cast<std::uint32_t>(replica))});
  }

  [[nodiscard]] std::size_t num_bytes() const {
    std::size_t sum = 0;
    for (const auto& server : servers_) sum += server->num_bytes;
    return sum;
  }

 private:
  const std::vector<ops::TableSpec> specs_;
  const ps::Sharding sharding_;
  dime::testing::TempDir dir_;
  std::vector<std::vector<net::Address>> addresses_;
  std::vector<std::unique_ptr<CountedServer>> servers_;
};

struct Shape {
  int num_replicas;
  int num_servers;
  int micro_batches;
};

// Trains on all replicas, then calls `after` with each replica's store, one at a time.
void Train(const std::vector<ops::TableSpec>& specs, const Shape& shape,
           const std::function<void(ps::RowAccess&)>& after, std::size_t* num_bytes = nullptr) {
  const ps::ConsistencyOptions options = Sync(shape.num_replicas, shape.micro_batches);
  Servers servers(specs, shape.num_servers, options);
  auto collectives = MakeInProcessCollectives(shape.num_replicas, kStorePatience);
  std::vector<std::unique_ptr<ServerStore>> sparse;
  std::vector<std::unique_ptr<AllReduceStore>> stores;
  for (int r = 0; r < shape.num_replicas; ++r) {
    sparse.push_back(servers.Connect(r));
    // Replicas that begin with other rows than the master's get them from it.
    stores.push_back(*AllReduceStore::Create(specs, r == 0 ? kSeed : 99, options, *sparse.back(),
                                             *collectives[static_cast<std::size_t>(r)]));
  }
  ASSERT_OK(sparse[0]->servers().Prepare({.seed = kSeed}));
  ASSERT_OK(sparse[0]->servers().Start({.seed = kSeed}));
  {
    std::vector<std::jthread> threads;
    for (int r = 0; r < shape.num_replicas; ++r) {
      threads.emplace_back([&, r] {
        AllReduceStore& store = *stores[static_cast<std::size_t>(r)];
        EXPECT_OK(store.Start(0));
        EXPECT_OK(TakeSteps(store, r, shape.num_replicas, shape.micro_batches));
        EXPECT_EQ(store.version(), kSteps);
      });
    }
  }
  if (num_bytes != nullptr) *num_bytes = servers.num_bytes();
  for (const auto& store : stores) after(store->rows());
}

class AllReduceStoreTest : public ::testing::TestWithParam<Shape> {};

TEST_P(AllReduceStoreTest, EndsWithTheSameBytesAsOneProcess) {
  const Shape& shape = GetParam();
  const auto alone = *InProcessStore::Create(Specs(), kSeed, Sync(1, shape.micro_batches));
  ASSERT_OK(TakeSteps(*alone, 0, 1, shape.micro_batches));
  const std::vector<float> expected = AllValues(alone->rows());
  Train(Specs(), shape, [&](ps::RowAccess& rows) {
    EXPECT_TRUE(AllValues(rows) == expected);  // No NaN is among them.
  });
}

INSTANTIATE_TEST_SUITE_P(Shapes, AllReduceStoreTest,
                         ::testing::Values(Shape{1, 1, 1}, Shape{1, 2, 3}, Shape{2, 1, 2},
                                           Shape{3, 2, 5}, Shape{5, 3, 5}),
                         [](const auto& info) {
                           return "Replicas" + std::to_string(info.param.num_replicas) + "Servers" +
                                  std::to_string(info.param.num_servers) + "MicroBatches" +
                                  std::to_string(info.param.micro_batches);
                         });

TEST(AllReduceStoreTest, OnlySparseRowsGoThroughServers) {
  std::size_t with_small_kernel = 0;
  std::size_t with_large_kernel = 0;
  const auto ignore = [](ps::RowAccess&) {};
  Train(Specs(/*kernel_floats=*/10), {2, 2, 2}, ignore, &with_small_kernel);
  Train(Specs(/*kernel_floats=*/100'000), {2, 2, 2}, ignore, &with_large_kernel);
  EXPECT_GT(with_small_kernel, 0u);
  EXPECT_EQ(with_small_kernel, with_large_kernel);
}

class AllReduceStoreAloneTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<AllReduceStore>> Create(const ps::ConsistencyOptions& options) {
    return AllReduceStore::Create(Specs(), kSeed, options, *sparse_, *collectives_[0]);
  }

  std::vector<std::unique_ptr<Collective>> collectives_ =
      MakeInProcessCollectives(2, std::chrono::milliseconds(1));
  std::unique_ptr<InProcessStore> sparse_ =
      *InProcessStore::Create(WithoutDenseRows(Specs()), kSeed);
};

TEST_F(AllReduceStoreAloneTest, TakesStepsInCommonOnly) {
  EXPECT_THAT(Create({.consistency = {.kind = cluster::Consistency::Kind::kAsync}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("steps in common")));
}

TEST_F(AllReduceStoreAloneTest, NeedsAMicroBatchForEachReplica) {
  EXPECT_THAT(Create(Sync(2, 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 micro-batches")));
}

TEST_F(AllReduceStoreAloneTest, NamesAReplicaThatDoesNotCome) {
  const auto store = *Create(Sync(2, 2));
  EXPECT_THAT(TakeSteps(*store, 0, 2, 2),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       ::testing::AllOf(HasSubstr("the gradients of step 1"),
                                        HasSubstr("worker-0 (rank 1), which does not come"))));
}

TEST_F(AllReduceStoreAloneTest, RefusesGradientsOfAnotherStep) {
  const auto store = *Create(Sync(2, 2));
  const ops::Lookups lookups = LookupsOf(0);
  auto rows = store->Exchange(nullptr, {.lookups = &lookups, .step = 1});
  ASSERT_OK(rows);
  const ops::Gradients gradients = GradientsOf(*rows, 0);
  const Push push = {.step = 3, .micro_batch = 0, .lookups = &lookups, .gradients = &gradients};
  EXPECT_THAT(store->Exchange(&push, {}), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                   HasSubstr("gradients of step 3 came")));
}

}  // namespace
}  // namespace dime::worker
