#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/cluster_plan.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/master.h"
#include "cli/supervisor.h"
#include "cli/training_request.h"
#include "runtime/base/log.h"

namespace dime::cli {
namespace {

constexpr char kLocalTrain[] = "dime local train";

}  // namespace

int RunLocalTrain(Words args) {
  const absl::StatusOr<std::optional<TrainingRequest>> request =
      ReadTrainingRequest(kLocalTrain, args, TrainingCommand::kLocalTrain);
  if (!request.ok()) return ReportUsageError(kLocalTrain, base::MessageOf(request.status()));
  if (!request->has_value()) return kExitOk;
  base::SetMinLogSeverity(LeastSeverity(**request));
  const absl::StatusOr<ClusterPlan> plan = PlanCluster(**request);
  if (!plan.ok()) return ReportPlanError(kLocalTrain, plan.status());
  std::optional<SupervisedMaster> supervised = SupervisedMaster::FromEnvironment();
  if (!plan->is_one_process() && !supervised) {
    std::vector<std::string> words = {"local", "train"};
    words.insert(words.end(), args.begin(), args.end());
    return RunSupervised({.command = kLocalTrain,
                          .words = words,
                          .job_dir = (*request)->job_dir,
                          .max_restarts = static_cast<int>((*request)->own.max_restarts)});
  }
  NoteIgnoredOptions((*request)->own.ignored_options);
  return RunMaster(kLocalTrain, **request, args, *plan, {.here = AllReplicas(plan->counts())});
}

}  // namespace dime::cli
