// cli/replica_place.h - which replica of its job this process is, and how it finds the others, as
// its environment says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/cluster_plan.h"
#include "cli/training_request.h"
#include "runtime/base/status.h"
#include "runtime/cluster/cluster_spec.h"
#include "runtime/cluster/launched_rank.h"
#include "runtime/cluster/replica.h"
#include "worker/collective/collective.h"
#include "worker/coordination/rendezvous.h"

namespace dime::cli {

// What has started this process, and what it has told it.
struct Launch {
  enum class By { kNobody, kDime, kTfConfig, kRanks };

  By by = By::kNobody;
  cluster::ReplicaId replica = {};  // kDime, kTfConfig.
  std::string directory = {};       // kDime.
  std::uint32_t incarnation = 0;    // kDime: which start of the replica this is.
  cluster::ClusterSpec spec = {};   // kTfConfig; empty: this process is the whole job.
  bool has_evaluator = false;       // kTfConfig: beside the cluster.
  cluster::LaunchedRank rank = {};  // kRanks.

  // How many replicas there are, where the command line need not say it.
  [[nodiscard]] std::optional<cluster::RoleCounts> counts() const;
  // Whether another process finds out the same of the command line, and says it.
  [[nodiscard]] bool is_silent() const { return by == By::kRanks && rank.rank > 0; }
};

// kInvalidArgument names the variable that is wrong.
absl::StatusOr<Launch> LaunchFromEnvironment(const cluster::Environment& environment);

struct ReplicaPlace {
  cluster::ReplicaId replica;
  std::vector<cluster::ReplicaId> here;  // Which replicas share this host; it is one of them.
  std::unique_ptr<worker::Rendezvous> rendezvous;
  std::uint32_t incarnation = 0;
  bool replicas_return = false;  // Who has started them starts them again.
  std::shared_ptr<worker::Collective> collective =
      nullptr;  // Where replicas are ranks of MPI and use it.
};

// kInvalidArgument: there are not as many ranks as the plan has replicas; or a flag is wrong.
absl::StatusOr<ReplicaPlace> PlaceOf(const Launch& launch, const ClusterPlan& plan,
                                     const TrainingRequest& request);

}  // namespace dime::cli
