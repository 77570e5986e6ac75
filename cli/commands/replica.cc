// `dime replica`: one process of a job that is not its master. Who it is stands in its environment;
// its words are those of the job's command line.
#include "worker/replica.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/local_cluster.h"
#include "cli/model_library.h"
#include "cli/training_request.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace dime::cli {
namespace {

constexpr char kName[] = "dime replica";

absl::Status Run(const TrainingRequest& request, const ReplicaPlace& place) {
  DIME_ASSIGN_OR_RETURN(models::ModelDescription description, FindModel(request.own.model));
  DIME_RETURN_IF_ERROR(ApplyModelFlags(request.trainer, &description));
  DIME_ASSIGN_OR_RETURN(const ClusterPlan plan, PlanCluster(request));
  DIME_ASSIGN_OR_RETURN(worker::TrainingOptions options, OptionsOf(request, description.training));
  DIME_ASSIGN_OR_RETURN(options.cluster, ClusterOptionsOf(plan, place.replica, place.directory));
  if (options.num_threads == 0) options.num_threads = ThreadsOf(plan, place.replica);
  if (place.replica.role == cluster::Role::kWorker) {
    return worker::RunWorker(description, options, {});
  }
  if (place.replica.role == cluster::Role::kParameterServer) {
    return worker::RunParameterServer(description, options.cluster,
                                      {.server = static_cast<int>(place.replica.index),
                                       .listen = {SocketOf(place.directory, place.replica.index)}},
                                      {});
  }
  return base::InvalidArgument("a {} is not started by `dime replica`",
                               cluster::RoleName(place.replica.role));
}

}  // namespace

int RunReplica(Words args) {
  const absl::StatusOr<std::optional<ReplicaPlace>> place = PlaceFromEnvironment();
  if (!place.ok()) return ReportError(kName, place.status());
  if (!place->has_value()) {
    return ReportUsageError(kName,
                            "`dime local train --scale-tier TIER` starts the replicas of a job; by "
                            "hand it works once dime runs under mpirun and TF_CONFIG");
  }
  const absl::StatusOr<std::optional<TrainingRequest>> request = ReadTrainingRequest(kName, args);
  if (!request.ok()) return ReportUsageError(kName, base::MessageOf(request.status()));
  if (!request->has_value()) return kExitOk;
  // What all replicas would say the master says.
  base::SetMinLogSeverity(std::max(LeastSeverity(**request), base::Severity::kWarning));
  const absl::Status status = Run(**request, **place);
  if (status.ok()) return kExitOk;
  // That a peer is gone all others find out too, and the master says why.
  if (!absl::IsUnavailable(status)) {
    ReportError(kName, base::Annotate(status, cluster::FormatReplica((*place)->replica)));
  }
  return ExitCodeOfJob(status);
}

}  // namespace dime::cli
