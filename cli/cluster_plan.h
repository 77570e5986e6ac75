// cli/cluster_plan.h - which cluster a training job's command line asks for, and what that makes of
// each of its replicas.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/training_request.h"
#include "runtime/base/status.h"
#include "runtime/cluster/cluster_shape.h"
#include "runtime/cluster/consistency.h"
#include "runtime/cluster/replica.h"
#include "worker/cluster_options.h"

namespace dime::cli {

// What the command line asks for.
struct ClusterPlan {
  std::string tier;  // CUSTOM for what has no name of its own.
  cluster::ClusterShape shape = {};
  cluster::Consistency consistency = {.kind = cluster::Consistency::Kind::kSync};
  int micro_batches = 1;
  cluster::DenseRows dense = cluster::DenseRows::kServers;
  bool pull_ahead = false;
  cluster::WirePrecision wire_precision = cluster::WirePrecision::kFloat32;
  std::vector<std::string> notes = {};  // For the log.

  [[nodiscard]] cluster::RoleCounts counts() const { return shape.Counts(); }
  [[nodiscard]] bool is_one_process() const { return counts().Total() == 1; }
  // Those that meet and train: an evaluator is no part of the cluster.
  [[nodiscard]] cluster::RoleCounts members() const {
    cluster::RoleCounts members = counts();
    members.evaluators = 0;
    return members;
  }
  [[nodiscard]] bool trains_alone() const { return members().Total() == 1; }
  [[nodiscard]] bool has_evaluator() const { return counts().evaluators > 0; }
};
// `given`: how many replicas there are, where something else than the command line decides it. The
// command line may name no cluster then, or the same one. kInvalidArgument, and others of
// cluster::ResolveTrainingInput(); kUnimplemented for what no cluster can be yet.
absl::StatusOr<ClusterPlan> PlanCluster(const TrainingRequest& request,
                                        const std::optional<cluster::RoleCounts>& given = {});

// Says what is wrong with a plan, and returns the exit code.
int ReportPlanError(const char* command, const absl::Status& error);

[[nodiscard]] std::vector<cluster::ReplicaId> AllReplicas(const cluster::RoleCounts& counts);

// Threads of a replica that shares its host with `here`, which has it, too; 0: one a processor.
[[nodiscard]] int ThreadsOf(const ClusterPlan& plan, const cluster::ReplicaId& replica,
                            std::span<const cluster::ReplicaId> here);

// Who a replica is among the others. Token and coordinator are not set.
[[nodiscard]] worker::ClusterOptions ClusterOptionsOf(const ClusterPlan& plan,
                                                      const cluster::ReplicaId& replica);

// What all replicas of a job have in common, in words: who was started for something else is
// refused.
[[nodiscard]] std::string DescribeJob(const ClusterPlan& plan, const TrainingRequest& request);

}  // namespace dime::cli
