// The coordinator without a network: what each replica is told, and when.
#include "worker/coordination/coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/status_matchers.h"

namespace dime::worker {
namespace {

using cluster::ReplicaId;
using cluster::Role;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using namespace std::chrono_literals;

constexpr ReplicaId kWorker0 = {Role::kWorker, 0};
constexpr ReplicaId kWorker1 = {Role::kWorker, 1};
constexpr ReplicaId kServer0 = {Role::kParameterServer, 0};
constexpr char kHost[] = "this host";

const net::Address kSocket = {.kind = net::Address::Kind::kUnix, .host = "@ps-0"};
const net::Address kPort = {.host = "10.0.0.7", .port = 2222};

struct Received {
  CoordinationMessage type;
  std::uint64_t request_id = 0;
  std::string bytes;
};

// Replicas that speak over connections which are numbers.
class CoordinatorTest : public ::testing::Test {
 protected:
  explicit CoordinatorTest(std::chrono::milliseconds return_time = 0ms)
      : return_time_(return_time) {}

  net::ConnectionId Connect(const ReplicaId& replica, std::uint32_t incarnation = 0) {
    const net::ConnectionId connection = ++last_connection_;
    coordinator_.OnConnected(connection, PeerNameOf(replica, incarnation));
    return connection;
  }
  absl::Status Send(net::ConnectionId connection, CoordinationMessage type,
                    const std::string& bytes = "") {
    return coordinator_.OnFrame(
        connection, {.type = static_cast<std::uint8_t>(type), .request_id = 100 + connection},
        std::as_bytes(std::span(bytes)));
  }
  net::ConnectionId Join(const ReplicaId& replica, std::vector<net::Address> addresses = {},
                         const std::string& job = "job", const std::string& host = kHost,
                         std::uint32_t incarnation = 0) {
    const net::ConnectionId connection = Connect(replica, incarnation);
    EXPECT_OK(Send(connection, CoordinationMessage::kJoin,
                   Encode(JoinRequest{.job = job,
                                      .host_name = "host-a",
                                      .host = host,
                                      .pid = 12,
                                      .addresses = std::move(addresses)})));
    return connection;
  }
  void JoinAll() {
    worker0_ = Join(kWorker0);
    server0_ = Join(kServer0, {kSocket, kPort});
    worker1_ = Join(kWorker1, {}, "job", "another host");
  }
  // The last message that came, which is the only one.
  Received Only(net::ConnectionId connection) {
    EXPECT_EQ(received_[connection].size(), 1u);
    return received_[connection].empty() ? Received{} : received_[connection].back();
  }
  // The status of a message of this type that has come last.
  absl::Status LastStatus(net::ConnectionId connection, CoordinationMessage type) {
    if (received_[connection].empty()) return absl::UnknownError("nothing came");
    EXPECT_EQ(received_[connection].back().type, type);
    return DecodeStatus(received_[connection].back().bytes);
  }
  // Why a replica that wanted to join may not; it is told to end, too.
  absl::Status Refusal(net::ConnectionId connection) {
    const std::vector<Received>& received = received_[connection];
    EXPECT_EQ(received.size(), 2u);
    if (received.size() != 2) return absl::UnknownError("not refused");
    EXPECT_EQ(received[0].type, CoordinationMessage::kRefused);
    EXPECT_EQ(received[1].type, CoordinationMessage::kEnd);
    return DecodeStatus(received[0].bytes);
  }
  void Pass(std::chrono::milliseconds time) {
    now_ += time;
    coordinator_.OnTick();
  }
  // In ticks, as it passes for a process that is awake; those of `alive` answer each ping.
  void PassAwake(std::chrono::milliseconds time, const std::vector<net::ConnectionId>& alive,
                 const Pulse& pulse = {}) {
    for (; time > 0ms; time -= 100ms) {
      Pass(100ms);
      for (const net::ConnectionId connection : alive) {
        if (std::exchange(num_pings_[connection], 0) == 0) continue;
        EXPECT_OK(Send(connection, CoordinationMessage::kPong, Encode(pulse)));
      }
    }
  }

  net::Clock::time_point now_;
  std::map<net::ConnectionId, std::vector<Received>> received_;  // All but pings.
  std::map<net::ConnectionId, int> num_pings_;
  const std::chrono::milliseconds return_time_;
  Coordinator coordinator_{
      {.counts = {.workers = 2, .parameter_servers = 1},
       .job = "job",
       .host = kHost,
       .join_time = 20s,
       .return_time = return_time_,
       .now = [this] { return now_; }},
      [this](net::ConnectionId connection, const net::FrameHeader& header, auto parts) {
        if (header.type == static_cast<std::uint8_t>(CoordinationMessage::kPing)) {
          ++num_pings_[connection];
          return;
        }
        received_[connection].push_back(
            {static_cast<CoordinationMessage>(header.type),
             header.request_id,
             {static_cast<const char*>(parts[0].iov_base), parts[0].iov_len}});
      }};
  net::ConnectionId last_connection_ = 0;
  net::ConnectionId worker0_ = 0;
  net::ConnectionId worker1_ = 0;
  net::ConnectionId server0_ = 0;
};

TEST_F(CoordinatorTest, NobodyIsAnsweredBeforeAllAreInPlace) {
  worker0_ = Join(kWorker0);
  server0_ = Join(kServer0, {kPort});
  EXPECT_FALSE(coordinator_.IsComplete());
  EXPECT_TRUE(received_.empty());
  worker1_ = Join(kWorker1);
  EXPECT_TRUE(coordinator_.IsComplete());
  for (const net::ConnectionId connection : {worker0_, worker1_, server0_}) {
    const Received answer = Only(connection);
    EXPECT_EQ(answer.type, CoordinationMessage::kAnswer);
    EXPECT_EQ(answer.request_id, 100 + connection);
    EXPECT_EQ(*DecodePeerAddresses(answer.bytes),
              (PeerAddresses{.servers = {{kPort}}, .workers = {{}, {}}}));
  }
}

TEST_F(CoordinatorTest, UnixSocketsAreToldToTheirOwnHostAlone) {
  JoinAll();
  EXPECT_EQ(*DecodePeerAddresses(Only(worker0_).bytes),
            (PeerAddresses{.servers = {{kSocket, kPort}}, .workers = {{}, {}}}));
  EXPECT_EQ(*DecodePeerAddresses(Only(worker1_).bytes),
            (PeerAddresses{.servers = {{kPort}}, .workers = {{}, {}}}));
  EXPECT_EQ(coordinator_.PeersFor(kHost),
            (PeerAddresses{.servers = {{kSocket, kPort}}, .workers = {{}, {}}}));
}

TEST_F(CoordinatorTest, WhoAwaitsTheStartIsToldWhetherBeforeOrAfterIt) {
  const JobStart start = {.seed = 7, .first_step = 3, .last_step = 90, .order = 1};
  JoinAll();
  EXPECT_OK(Send(worker0_, CoordinationMessage::kAwaitStart));
  EXPECT_EQ(received_[worker0_].size(), 1u);
  coordinator_.Start(start);
  EXPECT_OK(Send(worker1_, CoordinationMessage::kAwaitStart));
  for (const net::ConnectionId connection : {worker0_, worker1_}) {
    ASSERT_EQ(received_[connection].size(), 2u);
    EXPECT_EQ(*DecodeJobStart(received_[connection].back().bytes), start);
  }
}

TEST_F(CoordinatorTest, WhoIsMissingAtTheDeadlineIsNamedAndTheOthersEnd) {
  worker1_ = Join(kWorker1);
  Pass(19s);
  EXPECT_OK(coordinator_.failure());
  Pass(2s);
  EXPECT_TRUE(absl::IsDeadlineExceeded(coordinator_.failure()));
  const std::string text(base::MessageOf(coordinator_.failure()));
  EXPECT_THAT(text, HasSubstr("2 of 4 replicas are missing: worker-0, ps-0"));
  EXPECT_EQ(LastStatus(worker1_, CoordinationMessage::kEnd), coordinator_.failure());
}

TEST_F(CoordinatorTest, ACompleteClusterHasNoDeadline) {
  JoinAll();
  Pass(1h);
  EXPECT_OK(coordinator_.failure());
}

TEST_F(CoordinatorTest, WhoWasStartedForSomethingElseIsRefusedAndEndsTheJobSoon) {
  worker1_ = Join(kWorker1);
  const net::ConnectionId stranger = Join(kWorker0, {}, "another job");
  const absl::Status refusal = Refusal(stranger);
  EXPECT_TRUE(absl::IsFailedPrecondition(refusal));
  EXPECT_THAT(std::string(base::MessageOf(refusal)), HasSubstr("'another job'"));
  Pass(2s);
  Join(kWorker0, {}, "another job");  // Who tries again does not put it off.
  EXPECT_OK(coordinator_.failure());
  Pass(2s);
  EXPECT_TRUE(absl::IsFailedPrecondition(coordinator_.failure()));
  EXPECT_THAT(std::string(base::MessageOf(coordinator_.failure())),
              AllOf(HasSubstr("refused, and not back after 3 s: worker-0 on host-a"),
                    HasSubstr("'another job'")));
  EXPECT_EQ(LastStatus(worker1_, CoordinationMessage::kEnd), coordinator_.failure());
}

TEST_F(CoordinatorTest, WhoComesBackWithTheRightWordsIsWelcome) {
  Join(kWorker0, {}, "another job");
  Pass(2s);
  JoinAll();
  Pass(10s);
  EXPECT_OK(coordinator_.failure());
  EXPECT_TRUE(coordinator_.IsComplete());
}

TEST_F(CoordinatorTest, WhomTheJobDoesNotNeedMayBeRefusedWithoutEndingIt) {
  worker0_ = Join(kWorker0);
  Join(kWorker0);                         // There already.
  Join({Role::kWorker, 2});               // One too many.
  Join({Role::kWorker, 2}, {}, "other");  // The same, and of another job.
  Pass(10s);
  EXPECT_OK(coordinator_.failure());
  Pass(11s);
  EXPECT_THAT(std::string(base::MessageOf(coordinator_.failure())),
              AllOf(HasSubstr("missing: worker-1, ps-0"), HasSubstr("refused were worker-0")));
}

TEST_F(CoordinatorTest, ReplicasBeyondTheClusterAreRefused) {
  for (const ReplicaId replica :
       {ReplicaId{Role::kWorker, 2}, ReplicaId{Role::kMaster, 0}, ReplicaId{Role::kEvaluator, 0}}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(Refusal(Join(replica))));
  }
}

TEST_F(CoordinatorTest, TheSecondOfTheSameNameIsRefusedAndTheFirstStays) {
  worker0_ = Join(kWorker0);
  const net::ConnectionId second = Join(kWorker0);
  EXPECT_THAT(std::string(base::MessageOf(Refusal(second))),
              HasSubstr("worker-0 (process 12 on host-a) is there already"));
  coordinator_.OnClosed(second);
  EXPECT_OK(coordinator_.failure());
}

TEST_F(CoordinatorTest, AServerThatListensNowhereIsRefused) {
  EXPECT_FALSE(Refusal(Join(kServer0)).ok());
}

TEST_F(CoordinatorTest, ALostReplicaIsNamedAndTheOthersEnd) {
  JoinAll();
  coordinator_.OnClosed(worker1_);
  EXPECT_TRUE(absl::IsUnavailable(coordinator_.failure()));
  EXPECT_THAT(std::string(base::MessageOf(coordinator_.failure())),
              HasSubstr("worker-1 (process 12 on host-a) is gone"));
  EXPECT_EQ(LastStatus(server0_, CoordinationMessage::kEnd), coordinator_.failure());
  EXPECT_EQ(coordinator_.NumConnected(), 2u);
}

TEST_F(CoordinatorTest, WhoHasLeftMayHangUp) {
  JoinAll();
  EXPECT_OK(Send(worker1_, CoordinationMessage::kLeave));
  coordinator_.OnClosed(worker1_);
  Pass(1h);
  EXPECT_OK(coordinator_.failure());
  EXPECT_FALSE(coordinator_.has_ended());
}

TEST_F(CoordinatorTest, AFailureOfAReplicaIsTheJobs) {
  JoinAll();
  EXPECT_OK(Send(worker0_, CoordinationMessage::kLeave, Encode(base::DataLoss("bad rows"))));
  EXPECT_EQ(coordinator_.failure(), base::DataLoss("worker-0: bad rows"));
  EXPECT_EQ(LastStatus(worker1_, CoordinationMessage::kEnd), coordinator_.failure());
}

TEST_F(CoordinatorTest, WhoCannotEvenJoinSaysWhyAndTheJobEnds) {
  const net::ConnectionId connection = Connect(kServer0);
  EXPECT_OK(Send(connection, CoordinationMessage::kLeave,
                 Encode(base::FailedPrecondition("cannot listen"))));
  EXPECT_EQ(coordinator_.failure(), base::FailedPrecondition("ps-0: cannot listen"));
}

TEST_F(CoordinatorTest, ASecondStartThatCannotJoinDoesTheFirstNoHarm) {
  JoinAll();
  const net::ConnectionId second = Connect(kServer0);
  EXPECT_OK(Send(second, CoordinationMessage::kLeave,
                 Encode(base::FailedPrecondition("the address is taken"))));
  coordinator_.OnClosed(second);
  Pass(1h);
  EXPECT_FALSE(coordinator_.has_ended());
  EXPECT_EQ(coordinator_.NumConnected(), 3u);
}

TEST_F(CoordinatorTest, WhoWasRefusedLeavesWithoutHarm) {
  const net::ConnectionId stranger = Join(kWorker0, {}, "another job");
  EXPECT_OK(
      Send(stranger, CoordinationMessage::kLeave, Encode(base::FailedPrecondition("another job"))));
  EXPECT_OK(coordinator_.failure());
}

TEST_F(CoordinatorTest, WhoLostAPeerIsNotTheCauseWhenThePeerIsFoundOutInTime) {
  JoinAll();
  EXPECT_OK(Send(worker0_, CoordinationMessage::kLeave, Encode(base::Unavailable("no ps-0"))));
  Pass(400ms);
  EXPECT_OK(coordinator_.failure());
  coordinator_.OnClosed(server0_);
  EXPECT_THAT(std::string(base::MessageOf(coordinator_.failure())), HasSubstr("ps-0 (process 12"));
}

TEST_F(CoordinatorTest, WhoLostAPeerIsTheCauseWhenThereIsNoOther) {
  JoinAll();
  EXPECT_OK(Send(worker0_, CoordinationMessage::kLeave, Encode(base::Unavailable("no ps-0"))));
  Pass(600ms);
  EXPECT_EQ(coordinator_.failure(), base::Unavailable("worker-0: no ps-0"));
}

TEST_F(CoordinatorTest, AfterTheEndNobodyIsLost) {
  JoinAll();
  coordinator_.End(absl::OkStatus());
  for (const net::ConnectionId connection : {worker0_, worker1_, server0_}) {
    EXPECT_OK(LastStatus(connection, CoordinationMessage::kEnd));
    coordinator_.OnClosed(connection);
  }
  EXPECT_OK(coordinator_.failure());
  EXPECT_EQ(coordinator_.NumConnected(), 0u);
  EXPECT_OK(LastStatus(Join(kWorker0), CoordinationMessage::kEnd));
}

TEST_F(CoordinatorTest, NothingIsSaidToWhoHasNotJoined) {
  const net::ConnectionId connection = Connect(kWorker0);
  EXPECT_TRUE(absl::IsDataLoss(Send(connection, CoordinationMessage::kAwaitStart)));
  EXPECT_TRUE(absl::IsDataLoss(Send(connection, CoordinationMessage::kJoin, "no request")));
}

class EchoService final : public CoordinationService {
 public:
  absl::StatusOr<std::string> OnRequest(const ReplicaId& from,
                                        std::span<const std::byte> request) override {
    if (request.empty()) return base::OutOfRange("nothing to say");
    return cluster::FormatReplica(from) + ": " +
           std::string(reinterpret_cast<const char*>(request.data()), request.size());
  }
  void OnGone(const ReplicaId& replica) override { gone.push_back(replica); }

  std::vector<ReplicaId> gone;
};

TEST_F(CoordinatorTest, AServiceAnswersItsOwnTypeAndHearsWhoIsGone) {
  EchoService service;
  constexpr auto kType = static_cast<CoordinationMessage>(
      static_cast<std::uint8_t>(CoordinationMessage::kFirstService) + 1);
  coordinator_.AddService(static_cast<std::uint8_t>(kType), &service);
  JoinAll();
  EXPECT_OK(Send(worker1_, kType, "hello"));
  EXPECT_EQ(received_[worker1_].back().bytes, "worker-1: hello");
  EXPECT_OK(Send(worker1_, kType));
  EXPECT_EQ(LastStatus(worker1_, CoordinationMessage::kRefused),
            base::OutOfRange("nothing to say"));
  EXPECT_OK(Send(worker1_, CoordinationMessage::kLeave));
  coordinator_.OnClosed(worker1_);
  coordinator_.OnClosed(worker0_);
  EXPECT_EQ(service.gone, (std::vector<ReplicaId>{kWorker1, kWorker0}));
}

TEST_F(CoordinatorTest, WhatNobodyServesAnyMoreIsRefusedAndTheReplicaStays) {
  JoinAll();
  EXPECT_OK(Send(server0_, static_cast<CoordinationMessage>(200), "?"));
  EXPECT_TRUE(absl::IsUnavailable(LastStatus(server0_, CoordinationMessage::kRefused)));
  EXPECT_FALSE(coordinator_.has_ended());
  EXPECT_TRUE(absl::IsDataLoss(Send(server0_, static_cast<CoordinationMessage>(80), "?")));
}

TEST_F(CoordinatorTest, AllAreAskedForASignOfLifeEverySecondAndWhoAnswersLives) {
  JoinAll();
  PassAwake(10s, {});
  for (const net::ConnectionId connection : {worker0_, worker1_, server0_}) {
    EXPECT_THAT(num_pings_[connection], AllOf(Ge(4), Le(12))) << connection;
  }
}

TEST_F(CoordinatorTest, WhoAnswersPingsIsNeverLost) {
  JoinAll();
  PassAwake(10min, {worker0_, worker1_, server0_});
  EXPECT_OK(coordinator_.failure());
  EXPECT_THAT(coordinator_.TakeHung(), IsEmpty());
}

TEST_F(CoordinatorTest, WhoIsSilentForFiveSecondsIsNamedWithWhatItWasAt) {
  JoinAll();
  PassAwake(3s, {worker0_, worker1_, server0_}, {.activity = "serving rows"});
  PassAwake(4s, {worker0_, worker1_});
  EXPECT_OK(coordinator_.failure());
  PassAwake(2s, {worker0_, worker1_});
  EXPECT_TRUE(absl::IsUnavailable(coordinator_.failure()));
  EXPECT_THAT(std::string(base::MessageOf(coordinator_.failure())),
              AllOf(HasSubstr("ps-0 (process 12 on host-a) hangs: it has been silent for 5.0 s"),
                    HasSubstr("when last heard it was serving rows")));
  const std::vector<HungReplica> hung = coordinator_.TakeHung();
  ASSERT_EQ(hung.size(), 1u);
  EXPECT_EQ(hung[0].replica, kServer0);
  EXPECT_THAT(coordinator_.TakeHung(), IsEmpty());
}

TEST_F(CoordinatorTest, SilenceWhileTheMasterItselfSleptIsNobodysFault) {
  JoinAll();
  for (int i = 0; i < 5; ++i) Pass(1min);  // A tick a minute: it was stopped in between.
  EXPECT_OK(coordinator_.failure());
  PassAwake(10s, {worker0_, worker1_, server0_});
  EXPECT_OK(coordinator_.failure());
}

TEST_F(CoordinatorTest, AMainThreadThatStandsStillWhereItShouldMoveIsLostAfterAMinute) {
  JoinAll();
  const std::vector<net::ConnectionId> all = {worker0_, worker1_, server0_};
  PassAwake(10min, all, {.beats = 5, .activity = "loading"});  // Which may take long.
  PassAwake(55s, all, {.beats = 6, .must_beat = true, .activity = "serving rows"});
  EXPECT_OK(coordinator_.failure());
  PassAwake(1s, all, {.beats = 7, .must_beat = true, .activity = "serving rows"});
  PassAwake(55s, all, {.beats = 7, .must_beat = true, .activity = "serving rows"});
  EXPECT_OK(coordinator_.failure());
  PassAwake(10s, all, {.beats = 7, .must_beat = true, .activity = "serving rows"});
  EXPECT_THAT(std::string(base::MessageOf(coordinator_.failure())),
              HasSubstr("its main thread has stood still for"));
}

// Workers are started again by somebody when they are lost.
class ReturningWorkersTest : public CoordinatorTest {
 protected:
  ReturningWorkersTest() : CoordinatorTest(/*return_time=*/60s) {
    coordinator_.AddService(kType, &service_);
  }
  net::ConnectionId JoinAgain(const ReplicaId& replica, std::uint32_t incarnation) {
    return Join(replica, {}, "job", kHost, incarnation);
  }

  static constexpr auto kType = static_cast<std::uint8_t>(CoordinationMessage::kFirstService);
  EchoService service_;
};

TEST_F(ReturningWorkersTest, AWorkerThatIsLostMayComeBackAndIsToldAllAtOnce) {
  JoinAll();
  coordinator_.Start({.seed = 7});
  coordinator_.OnClosed(worker1_);
  EXPECT_EQ(service_.gone, std::vector{kWorker1});  // Its batches go to others.
  Pass(50s);
  EXPECT_OK(coordinator_.failure());
  const net::ConnectionId again = JoinAgain(kWorker1, 1);
  EXPECT_EQ(DecodePeerAddresses(Only(again).bytes)->servers.size(), 1u);
  EXPECT_OK(Send(again, CoordinationMessage::kAwaitStart));
  EXPECT_EQ(DecodeJobStart(received_[again].back().bytes)->seed, 7u);
  Pass(1h);
  EXPECT_OK(coordinator_.failure());
  EXPECT_EQ(received_[worker0_].size(), 1u);  // Nobody else hears of it.
}

TEST_F(ReturningWorkersTest, AWorkerThatDoesNotComeBackEndsTheJob) {
  JoinAll();
  coordinator_.OnClosed(worker1_);
  Pass(61s);
  EXPECT_THAT(std::string(base::MessageOf(coordinator_.failure())),
              AllOf(HasSubstr("worker-1 (process 12 on host-a) is gone"),
                    HasSubstr("it has not come back within 60 s")));
}

TEST_F(ReturningWorkersTest, AServerThatIsLostEndsTheJobAllTheSame) {
  JoinAll();
  coordinator_.OnClosed(server0_);
  EXPECT_TRUE(absl::IsUnavailable(coordinator_.failure()));
}

TEST_F(ReturningWorkersTest, AWorkerThatIsLostBeforeAllAreInPlaceIsAwaitedWithTheOthers) {
  worker0_ = Join(kWorker0);
  coordinator_.OnClosed(worker0_);
  server0_ = Join(kServer0, {kPort});
  worker1_ = Join(kWorker1);
  EXPECT_FALSE(coordinator_.IsComplete());
  EXPECT_TRUE(received_[worker1_].empty());
  const net::ConnectionId again = JoinAgain(kWorker0, 1);
  EXPECT_TRUE(coordinator_.IsComplete());
  for (const net::ConnectionId connection : {again, worker1_, server0_}) Only(connection);
}

TEST_F(ReturningWorkersTest, AHungWorkerThatResumesIsToldThatItIsStale) {
  JoinAll();
  PassAwake(6s, {worker0_, server0_});
  EXPECT_OK(coordinator_.failure());
  ASSERT_EQ(coordinator_.TakeHung().size(), 1u);
  EXPECT_OK(Send(worker1_, static_cast<CoordinationMessage>(kType), "late"));
  EXPECT_TRUE(absl::IsAborted(LastStatus(worker1_, CoordinationMessage::kStale)));
  const net::ConnectionId again = JoinAgain(kWorker1, 1);
  EXPECT_OK(Send(worker1_, static_cast<CoordinationMessage>(kType), "late"));
  EXPECT_THAT(std::string(base::MessageOf(LastStatus(worker1_, CoordinationMessage::kStale))),
              HasSubstr("another one has taken over"));
  coordinator_.OnClosed(worker1_);
  EXPECT_OK(Send(again, static_cast<CoordinationMessage>(kType), "hello"));
  EXPECT_EQ(received_[again].back().bytes, "worker-1: hello");
  EXPECT_EQ(service_.gone, std::vector{kWorker1});
}

TEST_F(ReturningWorkersTest, ANewStartTakesThePlaceOfOneThatIsStillThere) {
  JoinAll();
  const net::ConnectionId again = JoinAgain(kWorker1, 1);
  EXPECT_TRUE(absl::IsAborted(LastStatus(worker1_, CoordinationMessage::kStale)));
  EXPECT_EQ(service_.gone, std::vector{kWorker1});
  EXPECT_EQ(Only(again).type, CoordinationMessage::kAnswer);
  // An older one comes too late.
  EXPECT_TRUE(absl::IsAborted(LastStatus(JoinAgain(kWorker1, 0), CoordinationMessage::kStale)));
}

TEST_F(ReturningWorkersTest, AWorkerThatFailedForReasonsThatStayIsNotAwaited) {
  JoinAll();
  EXPECT_OK(Send(worker0_, CoordinationMessage::kLeave, Encode(base::Unavailable("no ps-0"))));
  Pass(10s);
  EXPECT_OK(coordinator_.failure());
  JoinAgain(kWorker0, 1);
  EXPECT_OK(Send(worker1_, CoordinationMessage::kLeave, Encode(base::DataLoss("bad rows"))));
  EXPECT_EQ(coordinator_.failure(), base::DataLoss("worker-1: bad rows"));
}

}  // namespace
}  // namespace dime::worker
