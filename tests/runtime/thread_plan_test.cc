#include "runtime/cluster/thread_plan.h"

#include <gmock/gmock.h>

#include <numeric>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace dime::cluster {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// 1 master and 4 workers of 8 cores, 3 servers of 4: 52 in all.
ClusterShape Standard1() {
  ClusterShape shape;
  shape.master.machine.cores = 8;
  shape.workers.count = 4;
  shape.workers.machine.cores = 8;
  shape.parameter_servers.count = 3;
  shape.parameter_servers.machine.cores = 4;
  return shape;
}

std::vector<ReplicaId> AllReplicas(const ClusterShape& shape) {
  std::vector<ReplicaId> replicas;
  for (std::int64_t rank = 0; rank < shape.Counts().Total(); ++rank) {
    replicas.push_back(*ReplicaOfRank(shape.Counts(), rank));
  }
  return replicas;
}

std::int64_t Sum(const std::vector<std::int64_t>& threads) {
  return std::accumulate(threads.begin(), threads.end(), std::int64_t{0});
}

TEST(ThreadPlanTest, ThreadsFollowTheMachineTypesWhereTheHostHasTheCores) {
  const ThreadPlan plan = PlanThreads(Standard1(), AllReplicas(Standard1()), 52);
  EXPECT_THAT(plan.threads, ElementsAre(8, 8, 8, 8, 8, 4, 4, 4));
  EXPECT_EQ(plan.Note(), "");
  EXPECT_FALSE(plan.IsOversubscribed());
}

TEST(ThreadPlanTest, OnlyTheReplicasOfTheHostShareIt) {
  const std::vector<ReplicaId> replicas = {{Role::kWorker, 2}, {Role::kParameterServer, 0}};
  const ThreadPlan plan = PlanThreads(Standard1(), replicas, 12);
  EXPECT_THAT(plan.threads, ElementsAre(8, 4));
  EXPECT_EQ(plan.Note(), "");
}

TEST(ThreadPlanTest, EveryCoreIsDealtOutOnceAndNobodyGetsMoreThanItsType) {
  const ClusterShape shape = Standard1();
  for (std::int64_t cores = 8; cores <= 52; ++cores) {
    const ThreadPlan plan = PlanThreads(shape, AllReplicas(shape), cores);
    EXPECT_EQ(Sum(plan.threads), cores);
    EXPECT_THAT(plan.threads, Each(Ge(1)));
    for (std::size_t i = 0; i < plan.threads.size(); ++i) {
      EXPECT_LE(plan.threads[i], i < 5 ? 8 : 4);
    }
    EXPECT_FALSE(plan.IsOversubscribed());
  }
  ClusterShape uneven = Standard1();
  uneven.workers = {.count = 1, .machine = {}};
  uneven.workers.machine.cores = 64;
  uneven.parameter_servers.count = 0;
  EXPECT_THAT(PlanThreads(uneven, AllReplicas(uneven), 2).threads, ElementsAre(1, 1));
  EXPECT_THAT(PlanThreads(uneven, AllReplicas(uneven), 9).threads, ElementsAre(1, 8));
}

TEST(ThreadPlanTest, OversubscriptionIsSaidInASentence) {
  const ThreadPlan plan = PlanThreads(Standard1(), AllReplicas(Standard1()), 2);
  EXPECT_THAT(plan.threads, Each(1));
  EXPECT_TRUE(plan.IsOversubscribed());
  EXPECT_EQ(plan.Note(),
            "8 replicas of 52 cores in all share this host's 2: more replicas than cores, so they "
            "take turns and none of them spins");
  const ThreadPlan capped = PlanThreads(Standard1(), AllReplicas(Standard1()), 16);
  EXPECT_FALSE(capped.IsOversubscribed());
  EXPECT_EQ(capped.Note(), "8 replicas of 52 cores in all share this host's 16");
}

TEST(ThreadPlanTest, HostsAndTypesWithoutCoresCountAsOne) {
  const ClusterShape unknown;
  const std::vector<ReplicaId> master = {{Role::kMaster, 0}};
  EXPECT_THAT(PlanThreads(unknown, master, 0).threads, ElementsAre(1));
  EXPECT_THAT(PlanThreads(unknown, {}, 4).threads, IsEmpty());
  EXPECT_EQ(PlanThreads(unknown, {}, 4).Note(), "");
}

}  // namespace
}  // namespace dime::cluster
