// A server's part in checkpoints, frame by frame.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ps/server.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/bundle_part.h"
#include "runtime/storage/file_system.h"
#include "tests/ps/server_frames.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::ps {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// A server of one weight, which each push makes larger by 1; replicas 0 and 1 are connections 0
// and 1.
class ServerSavesTest : public ::testing::Test {
 protected:
  ServerSavesTest()
      : server_(
            [this](std::uint64_t seed) {
              return Shards::Create(specs_, Sharding(specs_, 1), 0, seed, {.num_replicas = 2});
            },
            2,
            [this](net::ConnectionId connection, const net::FrameHeader& header, auto parts) {
              answers_.emplace_back(connection, static_cast<MessageType>(header.type));
              payload_.clear();
              for (const iovec& part : parts) {
                payload_.append(static_cast<const char*>(part.iov_base), part.iov_len);
              }
            }) {
    server_.WriteInSteps();
    for (const net::ConnectionId replica : {0, 1}) {
      server_.OnConnected(replica, NameOfReplica(static_cast<std::uint32_t>(replica)));
    }
    server_.OnConnected(kMaster, {.index = 0});
    Send(kMaster, MessageType::kPrepare, Bytes(sizeof(JobStart)));
    Push(0, 0);
    Push(1, 0);
    answers_.clear();
  }

  void Send(net::ConnectionId connection, MessageType type, const Bytes& payload = {}) {
    EXPECT_OK(server_.OnFrame(connection, {.type = static_cast<std::uint8_t>(type)}, payload));
  }
  // Pushes (0: does not) and pulls. The pull before has this push's number.
  void Push(std::uint16_t replica, std::uint64_t push_number) {
    Push(replica, push_number, replica);
  }
  void Push(net::ConnectionId connection, std::uint64_t push_number, std::uint16_t replica) {
    const ExchangeRequest request = {.push_number = push_number,
                                     .pushed_pull = push_number,
                                     .pull_number = push_number + 1,
                                     .replica = replica};
    Bytes payload;
    Append(request, &payload);
    if (push_number > 0) Append(-1.0f, &payload);
    Append(std::uint32_t{0}, &payload);
    Send(connection, MessageType::kExchange, payload);
  }
  void Cut(std::uint64_t last_of_0, std::uint64_t last_of_1) {
    Bytes payload;
    Append(last_of_0, &payload);
    Append(last_of_1, &payload);
    Send(kMaster, MessageType::kCut, payload);
  }
  void Save(const std::string& prefix, std::uint64_t step) {
    Bytes payload;
    Append(SaveRequest{.global_step = step, .part = 0, .num_parts = 1}, &payload);
    for (const char c : prefix) Append(c, &payload);
    Send(kMaster, MessageType::kSave, payload);
  }
  // What the last answer's numbers of 64 bits are.
  [[nodiscard]] std::uint64_t Number(std::size_t index) const {
    std::uint64_t number = 0;
    EXPECT_GE(payload_.size(), (index + 1) * sizeof(number));
    std::memcpy(&number, payload_.data() + index * sizeof(number), sizeof(number));
    return number;
  }
  std::vector<std::pair<net::ConnectionId, MessageType>> Answers() {
    return std::exchange(answers_, {});
  }

  // Writes what was cut, and says what the weight is there.
  float SavedWeight(std::uint64_t step) {
    const std::string prefix = dir_.File("b");
    Save(prefix, step);
    while (server_.StepSave()) {
    }
    Send(kMaster, MessageType::kSaveState);
    EXPECT_EQ(answers_.back().second, MessageType::kSaved);
    EXPECT_EQ(Number(0), 1u);
    const std::string entries = payload_.substr(sizeof(SaveStateReply));
    EXPECT_OK(checkpoint::WriteBundleIndex(storage::LocalFileSystem(), prefix, {&entries, 1}));
    auto reader = checkpoint::BundleReader::Open(storage::LocalFileSystem(), prefix);
    EXPECT_OK(reader);
    float weight = -1;
    EXPECT_OK((*reader)->ReadFloats("w", {&weight, 1}));
    return weight;
  }

  const testing::TempDir dir_;
  const std::vector<ops::TableSpec> specs_ = {
      {.name = "w",
       .shape = {1},
       .num_rows = 1,
       .dim = 1,
       .dense = true,
       .optimizer = {.kind = ops::OptimizerKind::kSgd, .learning_rate = 1.0f}}};
  std::vector<std::pair<net::ConnectionId, MessageType>> answers_;
  std::string payload_;  // The last answer's.
  Server server_;
};

TEST_F(ServerSavesTest, AWorkerAndAStrangerSteerNoCheckpoint) {
  constexpr net::ConnectionId kNoReplica = 77;
  server_.OnConnected(kNoReplica, {.role = 2, .index = 0});
  for (const MessageType type : {MessageType::kPrepare, MessageType::kStart, MessageType::kHold,
                                 MessageType::kCut, MessageType::kSave, MessageType::kSaveState,
                                 MessageType::kGiveUpSave, MessageType::kLoad}) {
    for (const net::ConnectionId peer : {net::ConnectionId{1}, kNoReplica}) {
      Send(peer, type);
      EXPECT_THAT(Answers(), ElementsAre(std::pair(peer, MessageType::kRefused)));
    }
  }
  Send(kNoReplica, MessageType::kRead);
  EXPECT_THAT(Answers(), ElementsAre(std::pair(kNoReplica, MessageType::kRefused)));
  Push(1, 1);  // Nothing is held.
  EXPECT_THAT(Answers(), ElementsAre(std::pair(net::ConnectionId{1}, MessageType::kRows)));
}

TEST_F(ServerSavesTest, AHoldTellsTheLastPushesAndPutsOffExchanges) {
  Push(0, 1);
  Push(0, 2);
  Push(1, 1);
  answers_.clear();
  Send(kMaster, MessageType::kHold);
  EXPECT_THAT(Answers(), ElementsAre(Pair(kMaster, MessageType::kHeld)));
  EXPECT_EQ(Number(0), 3u);
  EXPECT_EQ(Number(1), 2u);
  EXPECT_EQ(Number(2), 1u);
  Push(0, 3);
  EXPECT_THAT(Answers(), IsEmpty());
}

TEST_F(ServerSavesTest, PushesThatAreToBeInTheCutComeFirstTheOthersAfterIt) {
  Send(kMaster, MessageType::kHold);
  Push(0, 1);
  Push(1, 1);
  answers_.clear();
  Cut(0, 1);
  EXPECT_THAT(Answers(),
              ElementsAre(Pair(1, MessageType::kRows), Pair(kMaster, MessageType::kVersion),
                          Pair(0, MessageType::kRows)));
  EXPECT_EQ(SavedWeight(1), 1.0f);
}

TEST_F(ServerSavesTest, ACutWaitsForPushesThatAreOnTheirWay) {
  Send(kMaster, MessageType::kHold);
  Push(1, 1);
  answers_.clear();
  Cut(1, 0);
  EXPECT_THAT(Answers(), IsEmpty());
  Push(0, 1);
  EXPECT_THAT(Answers(),
              ElementsAre(Pair(0, MessageType::kRows), Pair(kMaster, MessageType::kVersion),
                          Pair(1, MessageType::kRows)));
  EXPECT_EQ(SavedWeight(1), 1.0f);
}

TEST_F(ServerSavesTest, WithoutAHoldTheCutIsOfNow) {
  Push(0, 1);
  Send(kMaster, MessageType::kCut);
  EXPECT_EQ(Number(0), 1u);
  Push(0, 2);
  EXPECT_EQ(SavedWeight(1), 1.0f);
}

TEST_F(ServerSavesTest, AHoldThatIsGivenUpLetsAllGoOn) {
  for (const bool master_is_gone : {false, true}) {
    Send(kMaster, MessageType::kHold);
    Push(0, master_is_gone ? 2 : 1);
    Cut(0, 1);
    answers_.clear();
    if (master_is_gone) {
      server_.OnClosed(kMaster);
      EXPECT_THAT(Answers(), ElementsAre(Pair(0, MessageType::kRows)));
    } else {
      Send(kMaster, MessageType::kGiveUpSave);
      EXPECT_THAT(Answers(),
                  ElementsAre(Pair(0, MessageType::kRows), Pair(kMaster, MessageType::kDone)));
    }
  }
}

TEST_F(ServerSavesTest, WhoIsGoneIsNotAnsweredAfterAHold) {
  Send(kMaster, MessageType::kHold);
  Push(0, 1);
  Push(1, 1);
  server_.OnClosed(0);
  answers_.clear();
  Cut(0, 0);
  EXPECT_THAT(Answers(),
              ElementsAre(Pair(kMaster, MessageType::kVersion), Pair(1, MessageType::kRows)));
}

TEST_F(ServerSavesTest, AReplicaThatIsGoneIsNotWaitedFor) {
  Send(kMaster, MessageType::kHold);
  Push(1, 1);
  Cut(1, 0);
  answers_.clear();
  server_.OnClosed(0);
  EXPECT_THAT(Answers(),
              ElementsAre(Pair(kMaster, MessageType::kVersion), Pair(1, MessageType::kRows)));
}

TEST_F(ServerSavesTest, ANewStartOfAReplicaPushesFromOneAndOldOnesAreRefused) {
  Push(1, 1);
  Push(1, 2);
  constexpr net::ConnectionId kAgain = 20;
  server_.OnConnected(kAgain, NameOfReplica(1, /*incarnation=*/1));
  answers_.clear();
  Push(1, 3);
  EXPECT_THAT(Answers(), ElementsAre(Pair(1, MessageType::kRefused)));
  Push(kAgain, 0, /*replica=*/1);
  Push(kAgain, 1, /*replica=*/1);
  EXPECT_THAT(Answers(),
              ElementsAre(Pair(kAgain, MessageType::kRows), Pair(kAgain, MessageType::kRows)));
  EXPECT_EQ(server_.Statistics().version, 3);
  server_.OnClosed(1);  // Changes nothing.
  Send(kMaster, MessageType::kHold);
  EXPECT_EQ(Number(2), 1u);
}

TEST_F(ServerSavesTest, WhatANewStartPushesDuringAHoldIsInNoCut) {
  Push(1, 1);
  Send(kMaster, MessageType::kHold);
  Cut(1, 2);  // Another server has push 1 of replica 0 and push 2 of replica 1.
  constexpr net::ConnectionId kAgain = 20;
  server_.OnConnected(kAgain, NameOfReplica(1, /*incarnation=*/1));
  Push(kAgain, 0, /*replica=*/1);
  Push(kAgain, 1, /*replica=*/1);
  answers_.clear();
  Push(0, 1);
  EXPECT_THAT(Answers(),
              ElementsAre(Pair(0, MessageType::kRows), Pair(kMaster, MessageType::kVersion),
                          Pair(kAgain, MessageType::kRows), Pair(kAgain, MessageType::kRows)));
  EXPECT_EQ(SavedWeight(2), 2.0f);
}

TEST_F(ServerSavesTest, WhatIsOutOfPlaceIsRefused) {
  const auto refuses = [&] {
    return Answers() == decltype(answers_){{kMaster, MessageType::kRefused}};
  };
  Cut(0, 0);  // Without a hold.
  EXPECT_TRUE(refuses());
  Save(dir_.File("b"), 1);
  EXPECT_TRUE(refuses());
  Send(kMaster, MessageType::kSaveState);
  EXPECT_TRUE(refuses());
  Send(kMaster, MessageType::kCut);
  Answers();
  Save(dir_.File("none/b"), 1);
  EXPECT_TRUE(refuses());
  Send(kMaster, MessageType::kCut);
  Save(dir_.File("b"), 1);
  Answers();
  Send(kMaster, MessageType::kCut);  // While it is written.
  EXPECT_TRUE(refuses());
  Send(kMaster, MessageType::kSaveState);
  EXPECT_THAT(Answers(), ElementsAre(Pair(kMaster, MessageType::kSaved)));
  EXPECT_EQ(Number(0), 0u);
}

TEST_F(ServerSavesTest, WhatIsNoMessageEndsTheConnection) {
  const auto status_of = [&](MessageType type, std::size_t num_bytes) {
    return server_.OnFrame(kMaster, {.type = static_cast<std::uint8_t>(type)}, Bytes(num_bytes));
  };
  EXPECT_TRUE(absl::IsDataLoss(status_of(MessageType::kCut, 8)));
  EXPECT_TRUE(absl::IsDataLoss(status_of(MessageType::kSave, 15)));
  EXPECT_TRUE(absl::IsDataLoss(status_of(MessageType::kSave, sizeof(SaveRequest))));
  EXPECT_TRUE(absl::IsDataLoss(status_of(MessageType::kLoad, 0)));
  EXPECT_TRUE(absl::IsDataLoss(status_of(MessageType::kLoad, kMaxPathBytes + 1)));
}

}  // namespace
}  // namespace dime::ps
