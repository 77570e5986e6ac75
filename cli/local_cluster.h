// cli/local_cluster.h - a job as several processes of this host: workers and parameter servers
// beside the master, which is the process that the user has started.
//
// They speak over Unix sockets in a directory that only their user can enter, which also holds the
// job's token. No process outlives the master, however it ends.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/commands/commands.h"
#include "cli/training_request.h"
#include "runtime/base/status.h"
#include "runtime/cluster/cluster_shape.h"
#include "runtime/cluster/consistency.h"
#include "runtime/cluster/replica.h"
#include "worker/cluster_options.h"

namespace dime::cli {

// What the command line asks for.
struct ClusterPlan {
  cluster::ClusterShape shape;
  cluster::Consistency consistency = {.kind = cluster::Consistency::Kind::kSync};
  int micro_batches = 1;
  std::vector<std::string> notes;  // For the log.

  [[nodiscard]] cluster::RoleCounts counts() const { return shape.Counts(); }
  [[nodiscard]] bool is_one_process() const { return counts().Total() == 1; }
};
// kInvalidArgument, and others of cluster::ResolveTrainingInput(); kUnimplemented for what no
// cluster of this host can be yet.
absl::StatusOr<ClusterPlan> PlanCluster(const TrainingRequest& request);

// Threads of a replica, if all of them are on this host; 0: one a processor.
[[nodiscard]] int ThreadsOf(const ClusterPlan& plan, const cluster::ReplicaId& replica);

// Who a replica is among the others, whose sockets and token are in `directory`.
absl::StatusOr<worker::ClusterOptions> ClusterOptionsOf(const ClusterPlan& plan,
                                                        const cluster::ReplicaId& replica,
                                                        const std::string& directory);
// Where a parameter server listens.
[[nodiscard]] net::Address SocketOf(const std::string& directory, std::int64_t server);

// What a process finds in its environment that was started as a replica; no value elsewhere.
struct ReplicaPlace {
  cluster::ReplicaId replica;
  std::string directory;
};
absl::StatusOr<std::optional<ReplicaPlace>> PlaceFromEnvironment();

class LocalCluster {
 public:
  // Starts this program once for each replica but the master, as `dime replica ARGS`.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Start(const ClusterPlan& plan, Words args);
  ~LocalCluster();  // Ends what still runs.

  [[nodiscard]] const std::string& directory() const;

  // Waits for all to end by themselves, for some seconds at most.
  void Join();

  struct Failure {
    std::string message;  // "worker-1 ended with exit code 65".
    int exit_code = 0;
  };
  // Once the master has failed: the replica that is the cause, if it is one of these. Waits for
  // half a second at most. When a replica fails the servers are ended, so that nobody waits for it.
  [[nodiscard]] std::optional<Failure> AwaitFailure() const;

 private:
  class Impl;
  explicit LocalCluster(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::cli
