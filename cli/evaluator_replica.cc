#include "cli/evaluator_replica.h"

#include <chrono>
#include <memory>
#include <optional>

#include "cli/arguments.h"
#include "cli/exit_codes.h"
#include "cli/interruption.h"
#include "cli/prepared_job.h"
#include "cli/training_reporter.h"
#include "runtime/base/log.h"
#include "worker/evaluation_job.h"

namespace dime::cli {
namespace {

// Two checkpoints may fail, and one may take long.
std::chrono::seconds PatienceOf(const OwnFlags& own) {
  constexpr std::chrono::seconds kBesides{600};
  const std::chrono::seconds by_default = 2 * std::chrono::seconds(own.checkpoint_secs) + kBesides;
  return own.checkpoint_wait_secs ? std::chrono::seconds(*own.checkpoint_wait_secs) : by_default;
}

}  // namespace

int RunEvaluator(const char* command, const TrainingRequest& request, const ClusterPlan& plan,
                 const Launch& launch, const ReplicaPlace& place) {
  int exit_code = kExitOk;
  std::optional<PreparedJob> job = PrepareJob(command, request, &exit_code);
  if (!job) return exit_code;
  auto& [description, options] = *job;
  if (options.num_threads == 0) options.num_threads = ThreadsOf(plan, place.replica, place.here);
  Interruption interruption("stopping; once more stops at once");
  TrainingReporter reporter(/*status_line=*/nullptr, {});
  const absl::StatusOr<worker::TrainingResult> result = worker::RunEvaluationJob(
      description, options, {.patience = PatienceOf(request.own)}, reporter, interruption.token());
  if (!result.ok()) {
    ReportError(command, base::Annotate(result.status(), cluster::FormatReplica(place.replica)));
    return ExitCodeOfJob(result.status());
  }
  const bool has_own_output = launch.by == Launch::By::kTfConfig;
  if (!has_own_output) {
    // A launcher of ranks would end all others, which may have been asked to stop in good order.
    return kExitOk;
  }
  if (request.own.format == "json") {
    fmt::print("{}", FormatResultJson(*result, options.job_dir));
  } else if (!result->interrupted) {
    fmt::print("{}", FormatResult(*result, options.job_dir));
  }
  return result->interrupted ? interruption.exit_code() : kExitOk;
}

}  // namespace dime::cli
