// Members and their master's coordinator, over real sockets.
#include "worker/coordination/member.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "runtime/net/frame_server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "worker/coordination/coordination_server.h"

namespace dime::worker {
namespace {

using namespace std::chrono_literals;
using cluster::ReplicaId;
using cluster::Role;
using ::dime::testing::StatusIs;
using ::testing::HasSubstr;

constexpr ReplicaId kWorker = {Role::kWorker, 0};
constexpr ReplicaId kServer = {Role::kParameterServer, 0};
constexpr char kToken[] = "a token of enough bytes";

class MemberTest : public ::testing::Test {
 protected:
  std::unique_ptr<CoordinationServer> OpenMaster() {
    auto master = CoordinationServer::Open({&address_, 1}, {kToken},
                                           {.counts = {.workers = 1, .parameter_servers = 1},
                                            .job = "job",
                                            .host = "host",
                                            .return_time = 60s});
    EXPECT_OK(master);
    return *std::move(master);
  }
  absl::StatusOr<std::unique_ptr<Member>> Connect(const ReplicaId& self,
                                                  const base::Secret& token = kToken,
                                                  std::chrono::milliseconds patience = 60s,
                                                  std::uint32_t incarnation = 0) {
    return Member::Connect({.self = self,
                            .incarnation = incarnation,
                            .locate = [&, token]() -> absl::StatusOr<MasterLocation> {
                              ++num_looks_;
                              return MasterLocation{.addresses = {address_}, .token = token};
                            },
                            .patience = patience});
  }
  static absl::Status Join(Member& member, std::vector<net::Address> addresses = {}) {
    return member.Join({.job = "job",
                        .host_name = "here",
                        .host = "host",
                        .pid = 1,
                        .addresses = std::move(addresses)});
  }

  const dime::testing::TempDir dir_;
  const net::Address address_ = {.kind = net::Address::Kind::kUnix, .host = dir_.File("master")};
  const net::Address server_address_ = {.host = "10.0.0.7", .port = 2222};
  std::atomic<int> num_looks_ = 0;
  std::unique_ptr<CoordinationServer> master_;
};

TEST_F(MemberTest, ReplicasThatCameBeforeTheirMasterAreToldOfEachOtherAndStart) {
  absl::StatusOr<std::unique_ptr<Member>> worker;
  absl::StatusOr<std::unique_ptr<Member>> server;
  {
    const std::jthread first([&] { worker = Connect(kWorker); });
    const std::jthread second([&] { server = Connect(kServer); });
    while (num_looks_ < 4) std::this_thread::yield();
    master_ = OpenMaster();
  }
  ASSERT_OK(worker);
  ASSERT_OK(server);
  EXPECT_OK(Join(**worker));
  EXPECT_OK(Join(**server, {server_address_}));
  EXPECT_EQ(*(*worker)->AwaitPeers(),
            (PeerAddresses{.servers = {{server_address_}}, .workers = {{}}}));
  EXPECT_EQ(*master_->AwaitPeers({}),
            (PeerAddresses{.servers = {{server_address_}}, .workers = {{}}}));
  const JobStart start = {.seed = 7, .last_step = 100};
  master_->Start(start);
  EXPECT_EQ(*(*worker)->AwaitStart(60s), start);
  EXPECT_OK((*worker)->Leave(absl::OkStatus()));
  EXPECT_FALSE((*server)->ended().stop_requested());
  worker->reset();
  const std::jthread end([&] { master_->End(absl::OkStatus()); });
  while (!(*server)->ended().stop_requested()) std::this_thread::yield();
  EXPECT_OK((*server)->AwaitEnd(0s)->how);
  server->reset();
}

TEST_F(MemberTest, AMasterThatGoesEndsItsMembersWaits) {
  master_ = OpenMaster();
  const auto worker = Connect(kWorker);
  ASSERT_OK(worker);
  EXPECT_OK(Join(**worker));
  const std::jthread gone([&] { master_.reset(); });
  EXPECT_THAT((*worker)->AwaitPeers(), StatusIs(absl::StatusCode::kCancelled, HasSubstr("over")));
  EXPECT_THAT((*worker)->AwaitEnd(60s)->how,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the master has ended")));
}

TEST_F(MemberTest, AFailureIsTheMastersToKnow) {
  master_ = OpenMaster();
  const auto worker = Connect(kWorker);
  EXPECT_OK(Join(**worker));
  EXPECT_OK((*worker)->Leave(base::DataLoss("bad rows")));
  EXPECT_EQ(master_->AwaitFailure(), base::DataLoss("worker-0: bad rows"));
  EXPECT_EQ(master_->AwaitPeers({}).status(), base::DataLoss("worker-0: bad rows"));
}

TEST_F(MemberTest, AReplicaWhosePlaceAnotherStartHasTakenIsToldSo) {
  master_ = OpenMaster();
  const auto zombie = Connect(kWorker);
  ASSERT_OK(Join(**zombie));
  const auto again = Connect(kWorker, kToken, 60s, /*incarnation=*/1);
  ASSERT_OK(Join(**again));
  const std::optional<JobEnd> end = (*zombie)->AwaitEnd(60s);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->is_stale);
  EXPECT_THAT(end->how, StatusIs(absl::StatusCode::kAborted, HasSubstr("another one")));
  EXPECT_FALSE((*again)->ended().stop_requested());
}

TEST_F(MemberTest, LongSilenceOnBothSidesIsBridgedByPings) {
  master_ = OpenMaster();
  const auto worker = Connect(kWorker);
  ASSERT_OK(Join(**worker));
  (*worker)->activity().EnterBeating("training");
  EXPECT_FALSE((*worker)->AwaitEnd(kLongestSilence + 2s).has_value());
  EXPECT_THAT(master_->TakeHung(), ::testing::IsEmpty());
}

TEST_F(MemberTest, AMasterThatIsSilentIsGone) {
  // It lets its members in, and says no word.
  auto frames = net::FrameServer::Open({&address_, 1}, {kToken}, {});
  ASSERT_OK(frames);
  class Mute final : public net::FrameHandler {
    void OnConnected(net::ConnectionId, const net::PeerName&) override {}
    absl::Status OnFrame(net::ConnectionId, const net::FrameHeader&,
                         std::span<const std::byte>) override {
      return absl::OkStatus();
    }
    void OnClosed(net::ConnectionId) override {}
    void OnTick() override {}
  } mute;
  const std::jthread serve(
      [&](const std::stop_token& stop) { EXPECT_OK((*frames)->Run(mute, stop)); });
  const auto worker = Connect(kWorker);
  ASSERT_OK(worker);
  const std::optional<JobEnd> end = (*worker)->AwaitEnd(60s);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->master_is_gone);
  EXPECT_THAT(end->how,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("it has been silent for 5.")));
}

TEST_F(MemberTest, AWrongTokenIsRefusedAtOnceAndAMissingMasterInTime) {
  EXPECT_THAT(Connect(kWorker, kToken, 50ms),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the master was not there")));
  master_ = OpenMaster();
  EXPECT_TRUE(absl::IsPermissionDenied(Connect(kWorker, "another token").status()));
}

TEST_F(MemberTest, TheMastersWaitForOthersCanBeStopped) {
  master_ = OpenMaster();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(absl::IsCancelled(master_->AwaitPeers(stop.get_token()).status()));
}

}  // namespace
}  // namespace dime::worker
