#include "worker/collective/collective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "worker/collective/in_process.h"
#include "worker/collective/ordered_sum.h"
#include "worker/collective/socket_collective.h"

namespace dime::worker {
namespace {

using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::chrono::minutes kPatience{1};

enum class Filling { kInProcess, kUnixSockets, kTcp };

// Listeners of all ranks, and where they are.
struct Addresses {
  Addresses(int size, Filling filling) {
    for (int r = 0; r < size; ++r) {
      net::Address address = {.host = "127.0.0.1"};
      if (filling == Filling::kUnixSockets) {
        address = {.kind = net::Address::Kind::kUnix, .host = dir.File(std::to_string(r))};
      }
      listeners.push_back(*net::Listener::Open(address));
      addresses.push_back({listeners.back().address()});
    }
  }

  absl::StatusOr<std::unique_ptr<Collective>> Connect(
      int rank, std::chrono::milliseconds connect_time = kPatience,
      std::chrono::milliseconds patience = kPatience,
      const net::Credentials& credentials = {"token"}) {
    return ConnectReplicas({&listeners[static_cast<std::size_t>(rank)], 1},
                           {.rank = rank,
                            .addresses = addresses,
                            .credentials = credentials,
                            .connect_time = connect_time,
                            .patience = patience});
  }

  dime::testing::TempDir dir;
  std::vector<net::Listener> listeners;
  std::vector<std::vector<net::Address>> addresses;
};

// Runs `body` for each rank on a thread of its own.
void OnAllRanks(Filling filling, int size, const std::function<void(Collective&)>& body) {
  std::vector<std::jthread> threads;
  if (filling == Filling::kInProcess) {
    auto collectives = MakeInProcessCollectives(size, kPatience);
    for (auto& collective : collectives) {
      threads.emplace_back([&body, collective = std::move(collective)] { body(*collective); });
    }
    return;
  }
  Addresses addresses(size, filling);
  for (int r = 0; r < size; ++r) {
    threads.emplace_back([&, r] {
      auto collective = addresses.Connect(r);
      ASSERT_OK(collective);
      body(**collective);
    });
  }
  threads.clear();
}

// Values whose sum depends on the order in which they are added.
std::vector<float> Gradients(std::size_t size, int micro_batch) {
  std::mt19937 random(static_cast<std::uint32_t>(micro_batch) + 1);
  std::vector<float> values(size);
  for (float& value : values) {
    value = std::ldexp(static_cast<float>(random()), static_cast<int>(random() % 20) - 40);
  }
  return values;
}

std::vector<float> SumInOrder(std::size_t size, int micro_batches, bool average) {
  std::vector<float> sums = Gradients(size, 0);
  for (int m = 1; m < micro_batches; ++m) {
    const std::vector<float> values = Gradients(size, m);
    for (std::size_t i = 0; i < size; ++i) sums[i] += values[i];
  }
  if (average && micro_batches > 1) {
    for (float& sum : sums) sum *= 1.0f / static_cast<float>(micro_batches);
  }
  return sums;
}

bool SameBytes(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return false;
  return a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

struct Case {
  int size;
  int micro_batches;
  std::size_t num_values;
};

class OrderedSumOfAllTest : public ::testing::TestWithParam<std::tuple<Filling, Case>> {};

TEST_P(OrderedSumOfAllTest, IsTheSameBytesOnAllRanksAsAPlainLoop) {
  const Filling filling = std::get<0>(GetParam());
  const Case& c = std::get<1>(GetParam());
  for (const bool average : {false, true}) {
    const std::vector<float> expected = SumInOrder(c.num_values, c.micro_batches, average);
    OnAllRanks(filling, c.size, [&](Collective& collective) {
      OrderedSum sum(collective, static_cast<std::int64_t>(c.num_values), c.micro_batches, average);
      for (int step = 0; step < 3; ++step) {
        for (int m = collective.rank(); m < c.micro_batches; m += c.size) {
          EXPECT_FALSE(sum.is_complete());
          const std::vector<float> values = Gradients(c.num_values, m);
          const std::span<const float> parts[] = {std::span(values).first(c.num_values / 3),
                                                  {},
                                                  std::span(values).subspan(c.num_values / 3)};
          sum.Add(parts);
        }
        EXPECT_TRUE(sum.is_complete());
        const absl::StatusOr<std::span<const float>> sums = sum.Finish();
        ASSERT_OK(sums);
        EXPECT_TRUE(SameBytes(*sums, expected)) << "rank " << collective.rank();
      }
    });
  }
}

constexpr const char* kFillingNames[] = {"InProcess", "UnixSockets", "Tcp"};
const auto kFillings = ::testing::Values(Filling::kInProcess, Filling::kUnixSockets, Filling::kTcp);

INSTANTIATE_TEST_SUITE_P(
    Shapes, OrderedSumOfAllTest,
    ::testing::Combine(kFillings,
                       ::testing::Values(Case{1, 1, 100}, Case{1, 4, 100}, Case{2, 2, 1000},
                                         Case{3, 3, 18'930}, Case{5, 5, 333}, Case{2, 5, 100},
                                         Case{3, 7, 1000}, Case{5, 12, 100}, Case{5, 2, 100},
                                         Case{3, 1, 50}, Case{5, 5, 3}, Case{3, 3, 1},
                                         Case{3, 4, 17}, Case{2, 2, 0}, Case{3, 3, 1'000'000})),
    [](const auto& info) {
      const Filling filling = std::get<0>(info.param);
      const Case& c = std::get<1>(info.param);
      return kFillingNames[static_cast<int>(filling)] + std::string("Ranks") +
             std::to_string(c.size) + "MicroBatches" + std::to_string(c.micro_batches) + "Values" +
             std::to_string(c.num_values);
    });

// Counts what goes to others.
class Counting final : public Collective {
 public:
  explicit Counting(Collective& inner) : inner_(inner) {}
  [[nodiscard]] int rank() const override { return inner_.rank(); }
  [[nodiscard]] int size() const override { return inner_.size(); }
  absl::Status Exchange(std::span<const std::span<const float>> outgoing,
                        std::span<const std::span<float>> incoming) override {
    for (int r = 0; r < size(); ++r) {
      if (r != rank()) num_sent_ += outgoing[static_cast<std::size_t>(r)].size();
    }
    return inner_.Exchange(outgoing, incoming);
  }
  [[nodiscard]] std::size_t num_sent() const { return num_sent_; }

 private:
  Collective& inner_;
  std::size_t num_sent_ = 0;
};

TEST(OrderedSumTest, SendsWhatARingAllReduceSends) {
  constexpr std::size_t kValues = 4800;
  for (const int size : {2, 3, 5}) {
    OnAllRanks(Filling::kInProcess, size, [&](Collective& collective) {
      Counting counting(collective);
      OrderedSum sum(counting, kValues, size, true);
      const std::vector<float> values = Gradients(kValues, collective.rank());
      const std::span<const float> parts[] = {values};
      sum.Add(parts);
      ASSERT_OK(sum.Finish());
      // Through servers: kValues there with the gradients, kValues back with the rows.
      const auto n = static_cast<std::size_t>(size);
      EXPECT_EQ(counting.num_sent(), 2 * (n - 1) * kValues / n);
    });
  }
}

class CollectiveTest : public ::testing::TestWithParam<Filling> {};

TEST_P(CollectiveTest, GivesEachRankWhatWasForIt) {
  OnAllRanks(GetParam(), 3, [](Collective& collective) {
    const int own = collective.rank();
    std::vector<std::vector<float>> to(3);
    std::vector<std::vector<float>> from(3);
    for (int r = 0; r < 3; ++r) {
      const auto at = static_cast<std::size_t>(r);
      to[at].assign(static_cast<std::size_t>(own + r), static_cast<float>(10 * own + r));
      from[at].resize(static_cast<std::size_t>(own + r));
    }
    const std::vector<std::span<const float>> outgoing(to.begin(), to.end());
    const std::vector<std::span<float>> incoming(from.begin(), from.end());
    ASSERT_OK(collective.Exchange(outgoing, incoming));
    for (int r = 0; r < 3; ++r) {
      const float expected = r == own ? 0.0f : static_cast<float>(10 * r + own);
      EXPECT_THAT(from[static_cast<std::size_t>(r)], ::testing::Each(expected));
    }
  });
}

TEST_P(CollectiveTest, BroadcastGivesAllRanksTheMastersValues) {
  OnAllRanks(GetParam(), 5, [](Collective& collective) {
    std::vector<float> values(100, static_cast<float>(collective.rank()) + 7);
    ASSERT_OK(Broadcast(collective, values));
    EXPECT_THAT(values, ::testing::Each(7.0f));
  });
}

INSTANTIATE_TEST_SUITE_P(Fillings, CollectiveTest, kFillings, [](const auto& info) {
  return std::string(kFillingNames[static_cast<int>(info.param)]);
});

TEST(InProcessCollectiveTest, NamesARankThatDoesNotCome) {
  auto collectives = MakeInProcessCollectives(2, std::chrono::milliseconds(1));
  std::vector<float> values(4);
  const absl::Status status = Broadcast(*collectives[1], values);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded,
                               AllOf(HasSubstr("worker-0 (rank 1) has waited 1 ms"),
                                     HasSubstr("master-0 (rank 0), which does not come"))));
  EXPECT_THAT(Broadcast(*collectives[1], values),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has failed before")));
}

TEST(InProcessCollectiveTest, NamesARankThatIsGone) {
  auto collectives = MakeInProcessCollectives(3, kPatience);
  std::vector<float> values(4);
  collectives[2].reset();
  EXPECT_THAT(
      Broadcast(*collectives[0], values),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("worker-1 (rank 2), which is gone")));
  // Who was let down by it is let down too.
  EXPECT_THAT(
      Broadcast(*collectives[1], values),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("master-0 (rank 0), which is gone")));
}

TEST(InProcessCollectiveTest, RefusesAnotherNumberOfValues) {
  auto collectives = MakeInProcessCollectives(2, kPatience);
  std::jthread master([&] {
    std::vector<float> values(4);
    EXPECT_THAT(Broadcast(*collectives[0], values),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("worker-0 (rank 1)")));
  });
  std::vector<float> values(5);
  EXPECT_THAT(Broadcast(*collectives[1], values),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("4 values to worker-0 (rank 1) in place of 5")));
}

// Two ranks, connected; exchanges wait for `patience`.
std::vector<std::unique_ptr<Collective>> ConnectTwo(Addresses& addresses,
                                                    std::chrono::milliseconds patience) {
  std::vector<std::unique_ptr<Collective>> collectives(2);
  std::jthread other([&] { collectives[1] = *addresses.Connect(1, kPatience, patience); });
  collectives[0] = *addresses.Connect(0, kPatience, patience);
  other.join();
  return collectives;
}

TEST(SocketCollectiveTest, NamesARankThatDoesNotConnect) {
  Addresses addresses(2, Filling::kUnixSockets);
  EXPECT_THAT(addresses.Connect(1, std::chrono::milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("worker-0 (rank 1) has waited 1 ms for"),
                             HasSubstr("master-0 (rank 0), which does not connect"))));
}

TEST(SocketCollectiveTest, NamesARankThatDoesNotListen) {
  Addresses addresses(2, Filling::kUnixSockets);
  addresses.addresses[1][0].host += "-elsewhere";
  EXPECT_THAT(addresses.Connect(0, std::chrono::milliseconds(1)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("worker-0 (rank 1)")));
}

TEST(SocketCollectiveTest, NamesARankThatDoesNotCome) {
  Addresses addresses(2, Filling::kUnixSockets);
  const auto collectives = ConnectTwo(addresses, std::chrono::milliseconds(1));
  std::vector<float> values(4);
  EXPECT_THAT(Broadcast(*collectives[1], values),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("master-0 (rank 0)"), HasSubstr("no answer"))));
  EXPECT_THAT(Broadcast(*collectives[1], values),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("master-0 (rank 0)")));
}

TEST(SocketCollectiveTest, NamesARankThatIsGone) {
  Addresses addresses(2, Filling::kUnixSockets);
  auto collectives = ConnectTwo(addresses, kPatience);
  std::vector<float> values(4);
  collectives[0].reset();
  EXPECT_THAT(Broadcast(*collectives[1], values),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("master-0 (rank 0)")));
}

TEST(SocketCollectiveTest, SilentStrangersDelayNobody) {
  for (const Filling filling : {Filling::kUnixSockets, Filling::kTcp}) {
    Addresses addresses(2, filling);
    std::vector<net::Socket> strangers;
    for (int i = 0; i < 30; ++i) {
      strangers.push_back(
          *net::Socket::Connect(addresses.addresses[1][0], net::Clock::now() + kPatience));
    }
    // One after another they would take 150 s.
    std::jthread master([&] { EXPECT_OK(addresses.Connect(0)); });
    EXPECT_OK(addresses.Connect(1));
    master.join();
    std::byte byte{};
    const iovec part = {&byte, 1};
    EXPECT_EQ(strangers.back().Receive({&part, 1}).status().code(), absl::StatusCode::kUnavailable);
  }
}

TEST(SocketCollectiveTest, AStopEndsTheConnectingOnBothEnds) {
  for (const int rank : {0, 1}) {
    Addresses addresses(2, Filling::kTcp);  // Nobody answers at the other end.
    std::stop_source stop;
    std::jthread stopper([&] { stop.request_stop(); });
    EXPECT_THAT(ConnectReplicas({&addresses.listeners[static_cast<std::size_t>(rank)], 1},
                                {.rank = rank,
                                 .addresses = addresses.addresses,
                                 .credentials = {"token"},
                                 .connect_time = kPatience,
                                 .stop_connecting = stop.get_token()})
                    .status(),
                StatusIs(absl::StatusCode::kCancelled, HasSubstr("stopped while")));
  }
}

TEST(SocketCollectiveTest, LetsNobodyInWithoutTheToken) {
  Addresses addresses(2, Filling::kUnixSockets);
  std::jthread worker([&] { EXPECT_OK(addresses.Connect(1)); });
  EXPECT_THAT(addresses.Connect(0, kPatience, kPatience, {"another token"}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("token")));
  EXPECT_OK(addresses.Connect(0));
}

}  // namespace
}  // namespace dime::worker
