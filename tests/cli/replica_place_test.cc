// Who a process is, as its environment says.
#include "cli/replica_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/support/status_matchers.h"

namespace dime::cli {
namespace {

using cluster::ReplicaId;
using cluster::Role;
using ::dime::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kTfConfig[] =
    R"({"cluster": {"master": ["a:1"], "worker": ["a:2", "b:2"], "ps": ["b:3"]},
        "task": {"type": "worker", "index": 0}})";

absl::StatusOr<Launch> LaunchOf(const std::map<std::string, std::string>& variables) {
  return LaunchFromEnvironment([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

ClusterPlan PlanOf(const cluster::RoleCounts& counts) {
  ClusterPlan plan{.tier = "CUSTOM"};
  for (const Role role : cluster::kRoles) plan.shape.Of(role).count = counts.Of(role);
  return plan;
}

TEST(ReplicaPlaceTest, TheLauncherThatIsClosestCounts) {
  std::map<std::string, std::string> variables;
  EXPECT_EQ(LaunchOf(variables)->by, Launch::By::kNobody);
  variables.insert({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "4"}});
  EXPECT_EQ(LaunchOf(variables)->by, Launch::By::kRanks);
  variables.insert({"TF_CONFIG", kTfConfig});
  EXPECT_EQ(LaunchOf(variables)->by, Launch::By::kTfConfig);
  variables.insert({{"DIME_REPLICA", "ps-2"}, {"DIME_RENDEZVOUS", "/tmp/x"}});
  EXPECT_EQ(LaunchOf(variables)->by, Launch::By::kDime);
  EXPECT_EQ(LaunchOf(variables)->replica, (ReplicaId{Role::kParameterServer, 2}));
}

TEST(ReplicaPlaceTest, TfConfigCountsTheReplicasAndTellsWhichShareAHost) {
  const auto launch = LaunchOf({{"TF_CONFIG", kTfConfig}});
  ASSERT_OK(launch);
  EXPECT_EQ(launch->counts(), (cluster::RoleCounts{.workers = 2, .parameter_servers = 1}));
  const auto place = PlaceOf(*launch, PlanOf(*launch->counts()), {});
  ASSERT_OK(place);
  EXPECT_EQ(place->replica, (ReplicaId{Role::kWorker, 0}));
  EXPECT_EQ(place->here, (std::vector<ReplicaId>{{Role::kMaster, 0}, {Role::kWorker, 0}}));
}

TEST(ReplicaPlaceTest, AChiefHasAnEvaluatorBesideTheClusterAndAMasterHasNone) {
  const std::string page = R"({"cluster": {"chief": ["a:1"], "ps": ["b:3"]}, "task": )";
  for (const char* const type : {"chief", "evaluator"}) {
    const auto launch =
        LaunchOf({{"TF_CONFIG", page + R"({"type": ")" + type + R"(", "index": 0}})"}});
    ASSERT_OK(launch);
    EXPECT_EQ(launch->counts(), (cluster::RoleCounts{.parameter_servers = 1, .evaluators = 1}));
    const auto place = PlaceOf(*launch, PlanOf(*launch->counts()), {});
    ASSERT_OK(place);
    EXPECT_EQ(place->here, std::vector<ReplicaId>{launch->replica});
  }
  EXPECT_EQ(LaunchOf({{"TF_CONFIG", kTfConfig}})->counts()->evaluators, 0);
}

TEST(ReplicaPlaceTest, ARankIsAReplicaAndOtherNumbersOfRanksAreNamed) {
  const auto launch = LaunchOf({{"OMPI_COMM_WORLD_RANK", "3"}, {"OMPI_COMM_WORLD_SIZE", "4"}});
  ASSERT_OK(launch);
  EXPECT_TRUE(launch->is_silent());
  const auto place = PlaceOf(*launch, PlanOf({.workers = 2, .parameter_servers = 1}), {});
  ASSERT_OK(place);
  EXPECT_EQ(place->replica, (ReplicaId{Role::kParameterServer, 0}));
  EXPECT_THAT(PlaceOf(*launch, PlanOf({.workers = 4, .parameter_servers = 3}), {}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("mpirun -np 8")));
}

TEST(ReplicaPlaceTest, AMastersAddressMayHaveAPort) {
  const auto launch = LaunchOf({{"PMI_RANK", "0"}, {"PMI_SIZE", "1"}});
  TrainingRequest request;
  for (const char* const good : {"10.0.0.7", "host:7777", "[::1]:80"}) {
    request.own.master_address = good;
    EXPECT_OK(PlaceOf(*launch, PlanOf({}), request)) << good;
  }
  for (const char* const bad : {"a b", "unix:/tmp/x", "host:port", ""}) {
    request.own.master_address = bad;
    EXPECT_THAT(PlaceOf(*launch, PlanOf({}), request).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--master-address")))
        << bad;
  }
}

}  // namespace
}  // namespace dime::cli
