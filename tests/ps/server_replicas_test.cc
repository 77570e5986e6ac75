// A server's replicas, frame by frame: what a new start of one may say, and what old ones may not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "ps/server.h"
#include "tests/ps/server_frames.h"
#include "tests/support/status_matchers.h"

namespace dime::ps {
namespace {

constexpr net::ConnectionId kAgain = 20;  // A new start of replica 1.

// A server of one dense row and two sparse ones, in sync; replica r is connection r and has
// micro-batch r of two.
class ServerReplicasTest : public ::testing::Test {
 protected:
  ServerReplicasTest()
      : server_(
            [this](std::uint64_t seed) {
              return Shards::Create(specs_, Sharding(specs_, 1), 0, seed,
                                    {.consistency = {cluster::Consistency::Kind::kSync},
                                     .num_replicas = 2,
                                     .micro_batches = 2,
                                     .average = false,
                                     .keep_previous = true});
            },
            2,
            [this](net::ConnectionId connection, const net::FrameHeader& header, auto parts) {
              if (connection != kMaster) last_type_ = static_cast<MessageType>(header.type);
              payload_.clear();
              for (const iovec& part : parts) {
                payload_.append(static_cast<const char*>(part.iov_base), part.iov_len);
              }
            }) {
    for (const std::uint32_t replica : {0u, 1u})
      server_.OnConnected(replica, NameOfReplica(replica));
    server_.OnConnected(kMaster, NameOfReplica(0));
    EXPECT_OK(server_.OnFrame(kMaster, {.type = static_cast<std::uint8_t>(MessageType::kPrepare)},
                              Bytes(sizeof(JobStart))));
  }

  // Pushes gradients of -1 for `push_step` (0: none), then pulls sparse row 1 for `pull_step`.
  void Exchange(net::ConnectionId connection, std::uint16_t replica, std::uint64_t push_number,
                std::uint64_t push_step, std::uint64_t pull_step) {
    Bytes payload;
    Append(ExchangeRequest{.push_number = push_number,
                           .push_step = push_step,
                           .pushed_pull = push_number,
                           .pull_number = push_number + 1,
                           .pull_step = pull_step,
                           .push_micro_batch = replica,
                           .replica = replica},
           &payload);
    if (push_number > 0) {
      for (int i = 0; i < 2; ++i) Append(-1.0f, &payload);
    }
    for (const std::uint32_t number : {0u, 1u, 1u}) Append(number, &payload);
    last_type_ = MessageType::kDone;
    EXPECT_OK(server_.OnFrame(
        connection, {.type = static_cast<std::uint8_t>(MessageType::kExchange)}, payload));
  }
  // Of the last answer: the dense row and sparse row 1.
  [[nodiscard]] std::pair<float, float> Weights() const {
    std::pair<float, float> weights;
    EXPECT_EQ(last_type_, MessageType::kRows);
    EXPECT_EQ(payload_.size(), sizeof(RowsReply) + 2 * sizeof(float));
    std::memcpy(&weights.first, payload_.data() + sizeof(RowsReply), sizeof(float));
    std::memcpy(&weights.second, payload_.data() + sizeof(RowsReply) + sizeof(float),
                sizeof(float));
    return weights;
  }

  const ops::OptimizerSpec sgd_ = {.kind = ops::OptimizerKind::kSgd, .learning_rate = 1.0f};
  const std::vector<ops::TableSpec> specs_ = {
      {.name = "dense", .shape = {1}, .num_rows = 1, .dim = 1, .dense = true, .optimizer = sgd_},
      {.name = "rows", .shape = {2, 1}, .num_rows = 2, .dim = 1, .optimizer = sgd_}};
  MessageType last_type_ = MessageType::kDone;
  std::string payload_;
  Server server_;
};

TEST_F(ServerReplicasTest, AStepThatIsWholeHereMayBeTakenAgainWithTheRowsBeforeIt) {
  Exchange(0, 0, 0, 0, 1);
  Exchange(1, 1, 0, 0, 1);
  const auto [dense, sparse] = Weights();
  Exchange(1, 1, 1, 1, 2);
  Exchange(0, 0, 1, 1,
           2);  // Step 1 is whole: replica 1 was lost before another server had its push.
  EXPECT_EQ(Weights(), std::pair(dense + 2, sparse + 2));
  server_.OnConnected(kAgain, NameOfReplica(1, /*incarnation=*/1));
  Exchange(kAgain, 1, 0, 0, 1);
  EXPECT_EQ(Weights(), std::pair(dense, sparse));
  Exchange(kAgain, 1, 1, 1, 2);  // Which changes nothing.
  EXPECT_EQ(Weights(), std::pair(dense + 2, sparse + 2));
  EXPECT_EQ(server_.Statistics().version, 1);
}

TEST_F(ServerReplicasTest, AMicroBatchThatIsInTheSumIsNotAddedAgain) {
  Exchange(0, 0, 0, 0, 1);
  Exchange(1, 1, 0, 0, 1);
  const auto [dense, sparse] = Weights();
  Exchange(1, 1, 1, 1, 2);
  server_.OnClosed(1);
  server_.OnConnected(kAgain, NameOfReplica(1, /*incarnation=*/1));
  Exchange(kAgain, 1, 0, 0, 1);
  Exchange(kAgain, 1, 1, 1, 2);
  Exchange(0, 0, 1, 1, 2);
  EXPECT_EQ(Weights(), std::pair(dense + 2, sparse + 2));
  EXPECT_EQ(server_.Statistics().version, 1);
}

TEST_F(ServerReplicasTest, WhoIsNoReplicaTakesNobodysPlace) {
  Exchange(0, 0, 0, 0, 1);
  server_.OnConnected(kAgain, {.role = 3, .index = 1, .incarnation = 1});
  Exchange(1, 1, 0, 0, 1);
  EXPECT_EQ(last_type_, MessageType::kRows);
}

TEST_F(ServerReplicasTest, LatePushesOfAnOlderStartAreRefused) {
  Exchange(0, 0, 0, 0, 1);
  Exchange(1, 1, 0, 0, 1);
  server_.OnConnected(kAgain, NameOfReplica(1, /*incarnation=*/1));
  Exchange(1, 1, 1, 1, 2);
  EXPECT_EQ(last_type_, MessageType::kRefused);
  EXPECT_TRUE(absl::IsAborted(DecodeStatus(payload_)));
  Exchange(0, 0, 1, 1, 2);
  EXPECT_EQ(server_.Statistics().version, 0);
}

}  // namespace
}  // namespace dime::ps
