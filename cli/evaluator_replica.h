// cli/evaluator_replica.h - the evaluator of a job, as a process: progress, results, exit codes.
#pragma once

#include "cli/cluster_plan.h"
#include "cli/replica_place.h"
#include "cli/training_request.h"

namespace dime::cli {

// Returns the exit code. Results go to stdout where no other replica's may: under TF_CONFIG.
int RunEvaluator(const char* command, const TrainingRequest& request, const ClusterPlan& plan,
                 const Launch& launch, const ReplicaPlace& place);

}  // namespace dime::cli
