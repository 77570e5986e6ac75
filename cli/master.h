// cli/master.h - a whole training job, as the process runs it that is its master: with the others,
// however they were started, progress, results and exit codes.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "cli/cluster_plan.h"
#include "cli/commands/commands.h"
#include "cli/training_request.h"
#include "runtime/cluster/replica.h"
#include "worker/collective/collective.h"
#include "worker/coordination/rendezvous.h"

namespace dime::cli {

// How the other replicas come, where they are started by something else than this program.
struct OthersPlace {
  // Null: this program starts them, on this host.
  std::unique_ptr<worker::Rendezvous> rendezvous = nullptr;
  std::vector<cluster::ReplicaId> here;  // Which replicas share this host.
  std::chrono::seconds join_time{120};
  std::shared_ptr<worker::Collective> collective = nullptr;  // Under MPI, where it is asked for.
};

// Returns the exit code. `args` are the words of the command line, which others are started with.
int RunMaster(const char* command, const TrainingRequest& request, Words args,
              const ClusterPlan& plan, OthersPlace place);

}  // namespace dime::cli
