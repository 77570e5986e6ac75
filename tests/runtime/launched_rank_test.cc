#include "runtime/cluster/launched_rank.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/status_matchers.h"

namespace dime::cluster {
namespace {

using ::dime::testing::StatusIs;
using ::testing::HasSubstr;

absl::StatusOr<std::optional<LaunchedRank>> RankOf(
    const std::map<std::string, std::string>& variables) {
  return RankFromEnvironment([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(LaunchedRankTest, WhoWasStartedByNobodyHasNone) {
  EXPECT_EQ(RankOf({})->has_value(), false);
  EXPECT_EQ(RankOf({{"OMPI_COMM_WORLD_RANK", "1"}})->has_value(), false);
}

TEST(LaunchedRankTest, OpenMpiIsReadAndGoesBeforeTheSlurmThatItRunsIn) {
  const auto rank = RankOf({{"OMPI_COMM_WORLD_RANK", "5"},
                            {"OMPI_COMM_WORLD_SIZE", "8"},
                            {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                            {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
                            {"PMIX_NAMESPACE", "1234"},
                            {"SLURM_PROCID", "0"},
                            {"SLURM_NTASKS", "2"}});
  ASSERT_OK(rank);
  ASSERT_TRUE(rank->has_value());
  EXPECT_EQ((*rank)->rank, 5);
  EXPECT_EQ((*rank)->num_ranks, 8);
  EXPECT_EQ((*rank)->run, "1234");
  EXPECT_FALSE((*rank)->IsOnOneHost());
}

TEST(LaunchedRankTest, MpichAndSlurmAreRead) {
  const auto mpich = RankOf({{"PMI_RANK", "2"}, {"PMI_SIZE", "3"}, {"MPI_LOCALNRANKS", "3"}});
  EXPECT_EQ((*mpich)->rank, 2);
  EXPECT_TRUE((*mpich)->IsOnOneHost());
  const auto slurm = RankOf({{"SLURM_PROCID", "7"},
                             {"SLURM_NTASKS", "8"},
                             {"SLURM_JOB_ID", "77"},
                             {"SLURM_STEP_ID", "1"}});
  EXPECT_EQ((*slurm)->rank, 7);
  EXPECT_EQ((*slurm)->run, "77.1");
  EXPECT_FALSE((*slurm)->IsOnOneHost());
}

TEST(LaunchedRankTest, WhatIsNoRankIsNamed) {
  EXPECT_THAT(RankOf({{"PMI_RANK", "x"}, {"PMI_SIZE", "3"}}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("PMI_RANK: 'x'")));
  EXPECT_THAT(RankOf({{"PMI_RANK", "3"}, {"PMI_SIZE", "3"}}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no rank 3 of 3")));
}

TEST(LaunchedRankTest, ReplicasOfAHostAreABlockOfRanks) {
  const RoleCounts counts = {.workers = 4, .parameter_servers = 3};
  const LaunchedRank rank = {.rank = 5, .num_ranks = 8, .local_rank = 1, .num_local_ranks = 4};
  EXPECT_EQ(rank.ReplicasHere(counts), (std::vector<ReplicaId>{{Role::kWorker, 3},
                                                               {Role::kParameterServer, 0},
                                                               {Role::kParameterServer, 1},
                                                               {Role::kParameterServer, 2}}));
  EXPECT_EQ((LaunchedRank{.rank = 5, .num_ranks = 8}).ReplicasHere(counts).size(), 8u);
}

}  // namespace
}  // namespace dime::cluster
