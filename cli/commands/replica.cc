// `dime replica`: one process of a job. Who it is stands in its environment; its words are those of
// the job's command line.
#include "worker/replica.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "cli/arguments.h"
#include "cli/cluster_plan.h"
#include "cli/commands/commands.h"
#include "cli/evaluator_replica.h"
#include "cli/exit_codes.h"
#include "cli/master.h"
#include "cli/model_library.h"
#include "cli/replica_place.h"
#include "cli/training_request.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/net/host.h"
#include "worker/collective/mpi_collective.h"
#include "worker/coordination/member.h"

namespace dime::cli {
namespace {

constexpr char kReplica[] = "dime replica";
constexpr int kYear = 365 * 24;  // Hours.

// What all replicas find out, one says; the others give it time to, before they end: a launcher may
// end all when one does.
int AfterTheOneWhoSpeaks(int exit_code) {
  constexpr std::chrono::seconds kTimeToSpeak{1};
  std::this_thread::sleep_for(kTimeToSpeak);
  return exit_code;
}

// Ends the process when it does not end by itself soon after its job has.
class EndOfJob {
 public:
  // `has_own_log`: what the master says is not seen beside what this process says.
  EndOfJob(const worker::Member& member, std::string self, bool has_own_log)
      : member_(member),
        self_(std::move(self)),
        has_own_log_(has_own_log),
        on_end_(member.ended(), [this] { SetEnded(); }) {
    watch_ = std::jthread([this](const std::stop_token& stop) { Watch(stop); });
  }

  // Says what nobody else says, and returns the exit code.
  [[nodiscard]] int Report(const worker::JobEnd& end) const {
    if (end.how.ok()) return kExitOk;
    if (end.is_stale) {
      ReportError(kReplica, base::Annotate(end.how, self_));
      return kExitStale;
    }
    if (end.master_is_gone || has_own_log_) {
      ReportError(kReplica, base::Annotate(end.how, self_ + ": the job has ended"));
    }
    return ExitCodeOfJob(end.how);
  }

 private:
  void SetEnded() {
    {
      const std::lock_guard lock(mutex_);
      has_ended_ = true;
    }
    changed_.notify_all();
  }

  void Watch(const std::stop_token& stop) {
    constexpr std::chrono::seconds kPatience{1};
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return has_ended_; });
    changed_.wait_for(lock, stop, kPatience, [] { return false; });
    if (stop.stop_requested()) return;
    _exit(Report(*member_.AwaitEnd(std::chrono::milliseconds(0))));
  }

  const worker::Member& member_;
  const std::string self_;
  const bool has_own_log_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool has_ended_ = false;
  std::stop_callback<std::function<void()>> on_end_;
  std::jthread watch_;
};

absl::Status Work(const TrainingRequest& request, const ClusterPlan& plan,
                  const ReplicaPlace& place, const base::Secret& token, worker::Member& member) {
  DIME_ASSIGN_OR_RETURN(models::ModelDescription description, FindModel(request.own.model));
  DIME_RETURN_IF_ERROR(ApplyModelFlags(request.trainer, &description));
  DIME_ASSIGN_OR_RETURN(worker::TrainingOptions options, OptionsOf(request, description.training));
  options.cluster = ClusterOptionsOf(plan, place.replica);
  options.cluster.credentials = {.token = token, .security = request.own.transport_security};
  options.cluster.incarnation = place.incarnation;
  options.cluster.replicas_return = place.replicas_return;
  options.cluster.stop = member.ended();
  options.cluster.collective = place.collective;
  if (options.num_threads == 0) {
    options.num_threads = ThreadsOf(plan, place.replica, place.here);
  }
  worker::JoinRequest self{.job = DescribeJob(plan, request),
                           .host_name = net::HostName(),
                           .host = net::HostIdentity(),
                           .pid = static_cast<std::uint64_t>(getpid())};
  DIME_ASSIGN_OR_RETURN(std::vector<net::Address> listen,
                        place.rendezvous->WhereToListen(place.replica, member.local_host()));
  if (place.replica.role == cluster::Role::kWorker) {
    return worker::RunWorker(description, options, listen, std::move(self), member);
  }
  return worker::RunParameterServer(
      description, options.cluster,
      {.server = static_cast<int>(place.replica.index), .listen = std::move(listen)},
      std::move(self), member);
}

// What a replica does that is not the master.
int RunMember(const TrainingRequest& request, const ClusterPlan& plan, ReplicaPlace place,
              bool has_own_log) {
  const std::string name = cluster::FormatReplica(place.replica);
  base::Secret token;
  const auto locate = [&]() -> absl::StatusOr<worker::MasterLocation> {
    DIME_ASSIGN_OR_RETURN(worker::MasterLocation location, place.rendezvous->Locate());
    token = location.token;
    return location;
  };
  const auto member =
      worker::Member::Connect({.self = place.replica,
                               .incarnation = place.incarnation,
                               .locate = locate,
                               .patience = std::chrono::seconds(request.own.join_secs),
                               .security = request.own.transport_security});
  if (!member.ok()) {
    ReportError(kReplica, base::Annotate(member.status(), name));
    return ExitCodeOfJob(member.status());
  }
  // Signals to the whole job are the master's to see, which needs the others to stop in good order.
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_IGN);
  const EndOfJob end_of_job(**member, name, has_own_log);
  const absl::Status status = Work(request, plan, place, token, **member);
  (void)(*member)->Leave(status);  // Who is not there any more need not know.
  if (status.ok()) {
    // A server serves until the job has ended, and however it has. Ranks of MPI end together.
    const auto end =
        (*member)->AwaitEnd(std::chrono::hours(place.collective != nullptr ? kYear : 0));
    return end ? end_of_job.Report(*end) : kExitOk;
  }
  // That a peer is gone, or the job over, all others find out, too; the master knows more.
  if (absl::IsUnavailable(status) || absl::IsCancelled(status) || absl::IsAborted(status)) {
    constexpr std::chrono::seconds kForTheCause{2};
    if (const auto end = (*member)->AwaitEnd(kForTheCause)) return end_of_job.Report(*end);
  }
  ReportError(kReplica, base::Annotate(status, name));
  return ExitCodeOfJob(status);
}

// Starts MPI in all replicas that mpirun has started, if some of them use it.
absl::StatusOr<std::shared_ptr<worker::Collective>> MpiFor(const Launch& launch,
                                                           const ClusterPlan& plan,
                                                           const cluster::ReplicaId& replica,
                                                           std::chrono::seconds start_time) {
  const worker::ClusterOptions options = ClusterOptionsOf(plan, replica);
  const bool is_launched = launch.by == Launch::By::kRanks && worker::IsLaunchedByMpi();
  if (!is_launched || !options.HasPeers()) return nullptr;
  return worker::StartMpi({.is_member = replica.role == cluster::Role::kMaster ||
                                        replica.role == cluster::Role::kWorker,
                           .rank = options.replica,
                           .num_members = options.num_replicas,
                           .start_time = start_time});
}

int EndMpi(const std::shared_ptr<worker::Collective>& collective, int exit_code) {
  // The launcher ends all others when one fails.
  if (collective == nullptr || exit_code != kExitOk) return exit_code;
  const absl::Status finished = collective->Finish();
  return finished.ok() ? exit_code : ReportError(kReplica, finished);
}

void WarnOfInsecurity(const TrainingRequest& request) {
  if (request.own.transport_security != net::TransportSecurity::kInsecure) return;
  base::Log(base::Severity::kWarning,
            "--transport-security insecure: whoever is between the hosts can read and change what "
            "replicas say to each other");
}

int RunAs(const Launch& launch, const TrainingRequest& request, Words args) {
  const base::Severity least = LeastSeverity(request);
  base::SetMinLogSeverity(launch.is_silent() ? std::max(least, base::Severity::kError) : least);
  WarnOfInsecurity(request);
  const absl::StatusOr<ClusterPlan> plan = PlanCluster(request, launch.counts());
  if (!plan.ok()) {
    if (!launch.is_silent()) return ReportPlanError(kReplica, plan.status());
    return AfterTheOneWhoSpeaks(ExitCodeOf(plan.status()));
  }
  absl::StatusOr<ReplicaPlace> place = PlaceOf(launch, *plan, request);
  if (!place.ok()) {
    if (launch.is_silent()) return AfterTheOneWhoSpeaks(kExitUsage);
    return ReportUsageError(kReplica, base::MessageOf(place.status()));
  }
  const std::chrono::seconds join_time(request.own.join_secs);
  const auto collective = MpiFor(launch, *plan, place->replica, join_time);
  if (!collective.ok()) {
    if (launch.is_silent()) return AfterTheOneWhoSpeaks(ExitCodeOf(collective.status()));
    return ReportError(kReplica, collective.status());
  }
  place->collective = *collective;
  if (place->replica.role == cluster::Role::kMaster && launch.by != Launch::By::kDime) {
    NoteIgnoredOptions(request.own.ignored_options);
    return EndMpi(*collective, RunMaster(kReplica, request, args, *plan,
                                         {.rendezvous = std::move(place->rendezvous),
                                          .here = std::move(place->here),
                                          .join_time = join_time,
                                          .collective = *collective}));
  }
  if (place->replica.role == cluster::Role::kEvaluator) {
    base::SetMinLogSeverity(least);  // What it has to say nobody else does.
    base::SetLogName(cluster::FormatReplica(place->replica));
    return EndMpi(*collective, RunEvaluator(kReplica, request, *plan, launch, *place));
  }
  // What all replicas would say the master says, unless every detail is wanted.
  base::SetMinLogSeverity(
      least == base::Severity::kDebug ? least : std::max(least, base::Severity::kWarning));
  base::SetLogName(cluster::FormatReplica(place->replica));
  return EndMpi(*collective,
                RunMember(request, *plan, *std::move(place), launch.by == Launch::By::kTfConfig));
}

}  // namespace

int RunReplica(Words args) {
  const absl::StatusOr<Launch> launch = LaunchFromEnvironment(std::getenv);
  const absl::StatusOr<std::optional<TrainingRequest>> request =
      ReadTrainingRequest(kReplica, args, TrainingCommand::kReplica);
  if (launch.ok() && launch->is_silent() && !request.ok()) return AfterTheOneWhoSpeaks(kExitUsage);
  const bool is_help = request.ok() && !request->has_value();
  if (launch.ok() && launch->by == Launch::By::kNobody && !is_help) {
    return ReportUsageError(
        kReplica,
        "nothing says which replica of a job this process is: start it with mpirun or srun, or "
        "with TF_CONFIG in its environment; `dime local train --scale-tier TIER` starts all "
        "replicas of a job on this host");
  }
  if (!request.ok()) return ReportUsageError(kReplica, base::MessageOf(request.status()));
  if (!request->has_value()) return kExitOk;
  if (!launch.ok()) return ReportUsageError(kReplica, base::MessageOf(launch.status()));
  return RunAs(*launch, **request, args);
}

}  // namespace dime::cli
