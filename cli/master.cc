#include "cli/master.h"

#include <string>
#include <utility>

#include "cli/arguments.h"
#include "cli/exit_codes.h"
#include "cli/interruption.h"
#include "cli/local_cluster.h"
#include "cli/prepared_job.h"
#include "cli/training_reporter.h"
#include "runtime/base/log.h"
#include "runtime/net/host.h"
#include "worker/coordination/coordination_server.h"
#include "worker/training_job.h"

namespace dime::cli {
namespace {

constexpr cluster::ReplicaId kMaster;
// From the loss of a worker until it has joined again: the longest pause before a start, and all
// that a busy machine takes for one.
constexpr std::chrono::seconds kReturnTime{60};

// The master's end of a cluster. Destroyed from the last member to the first.
struct Cluster {
  std::unique_ptr<worker::Rendezvous> rendezvous;
  std::unique_ptr<worker::CoordinationServer> coordinator = nullptr;
  std::unique_ptr<LocalCluster> others = nullptr;  // Null where somebody else has started them.
};

// Is there for the other replicas, and starts them where nobody else does.
absl::StatusOr<Cluster> OpenCluster(const TrainingRequest& request, Words args,
                                    const ClusterPlan& plan, OthersPlace place,
                                    worker::ClusterOptions* options) {
  Cluster cluster{.rendezvous = std::move(place.rendezvous)};
  if (cluster.rendezvous == nullptr) {
    DIME_ASSIGN_OR_RETURN(cluster.others, LocalCluster::Create());
    cluster.rendezvous = worker::MakeDirectoryRendezvous(cluster.others->directory());
  }
  options->credentials.security = request.own.transport_security;
  DIME_ASSIGN_OR_RETURN(options->credentials.token, cluster.rendezvous->MakeToken());
  DIME_ASSIGN_OR_RETURN(const auto addresses, cluster.rendezvous->WhereMasterListens());
  options->replicas_return = cluster.others != nullptr;
  worker::CoordinatorOptions coordination{.counts = plan.members(),
                                          .job = DescribeJob(plan, request),
                                          .host = net::HostIdentity(),
                                          .join_time = place.join_time};
  if (options->CanReturn()) coordination.return_time = kReturnTime;
  DIME_ASSIGN_OR_RETURN(
      cluster.coordinator,
      worker::CoordinationServer::Open(addresses, options->credentials, std::move(coordination)));
  options->coordinator = cluster.coordinator.get();
  options->stop = cluster.coordinator->ended();
  DIME_RETURN_IF_ERROR(cluster.rendezvous->Publish(cluster.coordinator->addresses()));
  if (cluster.others == nullptr) return cluster;
  worker::CoordinationServer& coordinator = *cluster.coordinator;
  DIME_RETURN_IF_ERROR(
      cluster.others->Start(plan.counts(), args,
                            {.on_failure =
                                 [&coordinator](const auto& failure) {
                                   coordinator.Fail(base::Unavailable("{}", failure.message));
                                 },
                             .take_hung = [&coordinator] { return coordinator.TakeHung(); },
                             .job_ended = coordinator.ended(),
                             .workers_return = options->CanReturn()}));
  return cluster;
}

// What may be the others' doing.
bool IsConsequence(const absl::Status& error) {
  return absl::IsUnavailable(error) || absl::IsDeadlineExceeded(error) ||
         absl::IsFailedPrecondition(error) || absl::IsCancelled(error);
}

// Says why the job has failed, and has the others end for the same reason.
int ReportFailure(const char* command, const absl::Status& error, const Cluster& cluster) {
  const auto explained = [&](std::string_view cause) {
    return base::Unavailable("{}; then {}", cause, base::MessageOf(error));
  };
  absl::Status cause;
  if (cluster.coordinator != nullptr) {
    cause = IsConsequence(error) ? cluster.coordinator->AwaitFailure() : error;
  }
  // Others end when they are told of this process's own failure: theirs is not the cause.
  if (cluster.others != nullptr && cause != error) {
    if (const auto failure = cluster.others->AwaitFailure()) {
      ReportError(command, explained(failure->message));
      return failure->exit_code;
    }
  }
  const bool is_others = !cause.ok() && cause != error;
  ReportError(command, is_others ? explained(base::MessageOf(cause)) : error);
  if (cluster.coordinator != nullptr) cluster.coordinator->End(error);
  return ExitCodeOfJob(is_others ? cause : error);
}

int Train(const char* command, const TrainingRequest& request, const PreparedJob& job,
          const Cluster& cluster) {
  const auto& [description, options] = job;
  Interruption interruption("stopping after a checkpoint; once more stops at once");
  std::unique_ptr<StatusLine> status_line;
  if (base::ShouldLog(base::Severity::kInfo)) status_line = MakeStatusLine();
  TrainingReporter reporter(std::move(status_line), {.evaluates = !options.eval_files.empty(),
                                                     .exports = !options.export_name.empty()});
  const absl::StatusOr<worker::TrainingResult> result =
      worker::RunTrainingJob(description, options, reporter, interruption.token());
  if (!result.ok()) {
    reporter.Stop();
    return ReportFailure(command, result.status(), cluster);
  }
  reporter.Finish(*result);
  if (cluster.others != nullptr) {
    if (const auto failure = cluster.others->Join(interruption.token())) {
      ReportError(command, base::Unavailable("the job is trained, but {}", failure->message));
      return failure->exit_code;
    }
  }
  if (request.own.format == "json") {
    fmt::print("{}", FormatResultJson(*result, options.job_dir));
  } else if (!result->interrupted) {
    fmt::print("{}", FormatResult(*result, options.job_dir));
  }
  return result->interrupted ? interruption.exit_code() : kExitOk;
}

// As TensorFlow's chief does.
void LeaveToEvaluator(bool is_started, worker::TrainingOptions* options) {
  options->eval_files.clear();
  options->export_name.clear();
  base::Log(base::Severity::kInfo, "evaluation and export are left to the job's evaluator{}",
            is_started ? "" : ", a process of its own");
}

}  // namespace

int RunMaster(const char* command, const TrainingRequest& request, Words args,
              const ClusterPlan& plan, OthersPlace place) {
  for (const std::string& note : plan.notes) base::Log(base::Severity::kInfo, "{}", note);
  int exit_code = kExitOk;
  std::optional<PreparedJob> job = PrepareJob(command, request, &exit_code);
  if (!job) return exit_code;
  worker::TrainingOptions& options = job->options;
  options.cluster = ClusterOptionsOf(plan, kMaster);
  options.cluster.collective = place.collective;
  if (options.num_threads == 0) options.num_threads = ThreadsOf(plan, kMaster, place.here);
  const bool starts_others = place.rendezvous == nullptr;
  if (plan.has_evaluator()) LeaveToEvaluator(starts_others, &options);
  if (plan.trains_alone() && !(starts_others && plan.has_evaluator())) {
    return Train(command, request, *job, {});
  }
  const absl::StatusOr<Cluster> cluster =
      OpenCluster(request, args, plan, std::move(place), &options.cluster);
  if (!cluster.ok()) return ReportError(command, cluster.status());
  base::Log(base::Severity::kInfo, "a cluster of {}{}", cluster::FormatCounts(plan.counts()),
            starts_others ? " on this host" : "");
  return Train(command, request, *job, *cluster);
}

}  // namespace dime::cli
