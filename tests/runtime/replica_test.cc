#include "runtime/cluster/replica.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace dime::cluster {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StrEq;

constexpr RoleCounts kStandard1 = {.masters = 1, .workers = 4, .parameter_servers = 3};

TEST(ReplicaTest, EveryReplicaIsWrittenAndReadBack) {
  for (const Role role : kRoles) {
    for (const std::int64_t index : {std::int64_t{0}, std::int64_t{3}, kMaxReplicas - 1}) {
      const ReplicaId replica = {role, index};
      ASSERT_OK_AND_ASSIGN(const ReplicaId again, ParseReplica(FormatReplica(replica)));
      EXPECT_EQ(again, replica);
    }
  }
  EXPECT_EQ(FormatReplica({Role::kParameterServer, 1}), "ps-1");
  ASSERT_OK_AND_ASSIGN(const ReplicaId chief, ParseReplica("chief-0"));
  EXPECT_EQ(chief, (ReplicaId{Role::kMaster, 0}));
}

TEST(ReplicaTest, WhatIsNoReplicaIsRefusedByName) {
  const auto message = [](std::string_view text) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseReplica(text).status())) << text;
    return std::string(ParseReplica(text).status().message());
  };
  EXPECT_EQ(message("worker"), "'worker' is no replica such as worker-3");
  EXPECT_EQ(message("wroker-1"),
            "there is no role 'wroker'; there are master, worker, ps, evaluator; did you mean "
            "'worker'?");
  for (const char* index : {"", "x", "1x", "+1", "10000", "99999999999999999999"}) {
    EXPECT_THAT(message("ps-" + std::string(index)), HasSubstr("is no index from 0 to 9999"));
  }
  EXPECT_THAT(message("ps--1"), HasSubstr("no role 'ps-'"));
}

TEST(ReplicaTest, RanksAreTheMasterThenWorkersThenServers) {
  std::vector<std::string> replicas;
  for (std::int64_t rank = 0; rank < kStandard1.Total(); ++rank) {
    ASSERT_OK_AND_ASSIGN(const ReplicaId replica, ReplicaOfRank(kStandard1, rank));
    replicas.push_back(FormatReplica(replica));
    EXPECT_EQ(RankOfReplica(kStandard1, replica), rank);
  }
  EXPECT_THAT(replicas, ElementsAre("master-0", "worker-0", "worker-1", "worker-2", "worker-3",
                                    "ps-0", "ps-1", "ps-2"));
  for (const std::int64_t rank : {-1, 8, 1000}) {
    EXPECT_THAT(ReplicaOfRank(kStandard1, rank),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the ranks are 0 to 7")));
  }
  EXPECT_EQ(RankOfReplica(kStandard1, {Role::kWorker, 4}), -1);
  EXPECT_EQ(RankOfReplica(kStandard1, {Role::kEvaluator, 0}), -1);
}

TEST(ReplicaTest, AnotherNumberOfRanksThanTheTiersIsAnsweredWithTheTiers) {
  EXPECT_OK(CheckNumRanks(kStandard1, "STANDARD_1", 8));
  EXPECT_THAT(
      CheckNumRanks(kStandard1, "STANDARD_1", 5),
      StatusIs(absl::StatusCode::kInvalidArgument,
               StrEq("5 processes were started for the scale tier STANDARD_1, which has 8 (1 "
                     "master, 4 workers, 3 parameter servers): start it with mpirun -np 8")));
  EXPECT_THAT(CheckNumRanks(kStandard1, "STANDARD_1", 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 process was started")));
}

}  // namespace
}  // namespace dime::cluster
