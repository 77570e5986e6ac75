#include "cli/cluster_plan.h"

#include <thread>
#include <utility>

#include "cli/arguments.h"
#include "runtime/cluster/cluster_spec.h"
#include "runtime/cluster/thread_plan.h"
#include "runtime/cluster/tiers.h"

namespace dime::cli {
namespace {

using cluster::ReplicaId;
using cluster::Role;

// A cluster of which the counts are known, and no more.
absl::StatusOr<ClusterPlan> PlanCounts(const cluster::TrainingFlags& flags,
                                       const cluster::RoleCounts& counts) {
  ClusterPlan plan{.tier = std::string(cluster::kCustomTier)};
  for (const Role role : cluster::kRoles) plan.shape.Of(role).count = counts.Of(role);
  if (flags.dense) {
    const absl::StatusOr<cluster::DenseRows> dense = cluster::ParseDenseRows(*flags.dense);
    if (!dense.ok()) return base::Annotate(dense.status(), "--dense");
    plan.dense = *dense;
  }
  if (flags.wire_precision) {
    const auto precision = cluster::ParseWirePrecision(*flags.wire_precision);
    if (!precision.ok()) return base::Annotate(precision.status(), "--wire-precision");
    plan.wire_precision = *precision;
  }
  plan.consistency = cluster::DefaultConsistency(counts.parameter_servers > 0, plan.dense);
  if (flags.consistency) {
    DIME_ASSIGN_OR_RETURN(plan.consistency, cluster::ParseConsistency(*flags.consistency));
  }
  DIME_RETURN_IF_ERROR(
      base::Annotate(cluster::CheckDenseRows(plan.dense, plan.consistency), "--dense"));
  plan.pull_ahead = flags.pull_ahead;
  DIME_RETURN_IF_ERROR(
      base::Annotate(cluster::CheckPullAhead(plan.pull_ahead, plan.consistency), "--pull-ahead"));
  plan.micro_batches = static_cast<int>(flags.micro_batches.value_or(plan.counts().NumTrainers()));
  return plan;
}

// gcloud's `--distributed`: counts alone.
absl::StatusOr<ClusterPlan> PlanDistributed(const OwnFlags& own) {
  const cluster::TrainingFlags& flags = own.cluster.training;
  if (flags.scale_tier || own.cluster.config) {
    return base::InvalidArgument(
        "--distributed has no tier: give it, or --scale-tier and --config, but not both");
  }
  return PlanCounts(flags, {.workers = flags.worker_count.value_or(cluster::kLocalWorkers),
                            .parameter_servers = flags.parameter_server_count.value_or(
                                cluster::kLocalParameterServers)});
}

absl::StatusOr<ClusterPlan> PlanTier(const OwnFlags& own) {
  DIME_ASSIGN_OR_RETURN(const cluster::TierLibrary library, ReadTiers(own.cluster));
  DIME_ASSIGN_OR_RETURN(cluster::TrainingInput input, ReadTrainingInput(own.cluster, library));
  return ClusterPlan{.tier = std::move(input.scale_tier),
                     .shape = std::move(input.shape),
                     .consistency = input.consistency,
                     .micro_batches = static_cast<int>(input.micro_batches),
                     .dense = input.dense,
                     .pull_ahead = input.pull_ahead,
                     .wire_precision = input.wire_precision,
                     .notes = std::move(input.notes)};
}

bool NamesACluster(const OwnFlags& own) {
  const cluster::TrainingFlags& flags = own.cluster.training;
  return flags.scale_tier || own.distributed || own.cluster.config || flags.master_machine_type ||
         flags.worker_machine_type || flags.worker_count || flags.parameter_server_machine_type ||
         flags.parameter_server_count;
}

cluster::RoleCounts WithoutEvaluators(cluster::RoleCounts counts) {
  counts.evaluators = 0;
  return counts;
}

absl::Status CheckCounts(const ClusterPlan& plan, const cluster::RoleCounts& given) {
  if (plan.members() == WithoutEvaluators(given)) return absl::OkStatus();
  return base::InvalidArgument(
      "TF_CONFIG has {}, and the scale tier {} that is asked for, {}: leave the tier out, or "
      "change "
      "one of them",
      cluster::FormatCounts(WithoutEvaluators(given)), plan.tier,
      cluster::FormatCounts(plan.members()));
}

bool AsksForOneProcess(const OwnFlags& own) {
  const cluster::TrainingFlags& flags = own.cluster.training;
  const std::string tier = flags.scale_tier.value_or(std::string(cluster::kDefaultTier));
  return cluster::CanonicalTierName(tier) == cluster::kDefaultTier && !own.distributed &&
         !own.cluster.config && !own.cluster.configs && !flags.master_machine_type &&
         !flags.worker_machine_type && !flags.worker_count && !flags.consistency && !flags.dense &&
         !flags.pull_ahead && !flags.wire_precision && !flags.parameter_server_machine_type &&
         !flags.parameter_server_count;
}

absl::Status CheckPlan(const ClusterPlan& plan) {
  const cluster::RoleCounts counts = plan.counts();
  for (const Role role : cluster::kRoles) {
    const cluster::RoleShape& shape = plan.shape.Of(role);
    if (shape.count == 0 || shape.machine.gpus == 0) continue;
    return base::Unimplemented(
        "the {}'s machine type {} has a GPU, and dime trains on CPUs alone yet; name another tier "
        "(`dime tiers list`)",
        cluster::RoleName(role), shape.machine.name);
  }
  if (counts.workers > 0 && counts.parameter_servers == 0) {
    return base::Unimplemented(
        "{} need a parameter server between them: training without one is not built yet",
        cluster::FormatCounts(counts));
  }
  if (plan.consistency.is_sync() && plan.micro_batches < counts.NumTrainers()) {
    return base::InvalidArgument(
        "--micro-batches is {}, but {} replicas train: each needs a batch of a step",
        plan.micro_batches, counts.NumTrainers());
  }
  return absl::OkStatus();
}

absl::StatusOr<ClusterPlan> PlanOf(const TrainingRequest& request,
                                   const std::optional<cluster::RoleCounts>& given) {
  const OwnFlags& own = request.own;
  if (given && !NamesACluster(own)) return PlanCounts(own.cluster.training, *given);
  if (AsksForOneProcess(own)) {  // Which is started too often to read the tiers for it.
    return ClusterPlan{
        .tier = std::string(cluster::kDefaultTier),
        .micro_batches = static_cast<int>(own.cluster.training.micro_batches.value_or(1))};
  }
  return own.distributed ? PlanDistributed(own) : PlanTier(own);
}

}  // namespace

absl::StatusOr<ClusterPlan> PlanCluster(const TrainingRequest& request,
                                        const std::optional<cluster::RoleCounts>& given) {
  DIME_ASSIGN_OR_RETURN(ClusterPlan plan, PlanOf(request, given));
  if (given) {
    DIME_RETURN_IF_ERROR(CheckCounts(plan, *given));
    plan.shape.evaluators.count = given->evaluators;
  }
  if (plan.has_evaluator() && request.trainer.eval_files.empty()) {
    return base::InvalidArgument(
        "--eval-files is required, after the `--`: the job has an evaluator, which evaluates and "
        "exports; a `chief` of TF_CONFIG leaves that to one, a `master` does it itself");
  }
  DIME_RETURN_IF_ERROR(CheckPlan(plan));
  return plan;
}

int ReportPlanError(const char* command, const absl::Status& error) {
  const std::string_view message = base::MessageOf(error);
  // What the command line asks for is wrong, or a page that it names is.
  return message.starts_with("--") ? ReportUsageError(command, message)
                                   : ReportError(command, error);
}

std::vector<ReplicaId> AllReplicas(const cluster::RoleCounts& counts) {
  std::vector<ReplicaId> replicas;
  for (const Role role : cluster::kRoles) {
    for (std::int64_t i = 0; i < counts.Of(role); ++i) replicas.push_back({role, i});
  }
  return replicas;
}

int ThreadsOf(const ClusterPlan& plan, const ReplicaId& replica, std::span<const ReplicaId> here) {
  const bool has_machine = plan.shape.Of(replica.role).machine.cores > 0;
  if (plan.is_one_process() || (!has_machine && here.size() == 1)) return 0;
  const cluster::ThreadPlan threads = cluster::PlanThreads(
      plan.shape, here, static_cast<std::int64_t>(std::thread::hardware_concurrency()));
  for (std::size_t i = 0; i < here.size(); ++i) {
    if (here[i] == replica) return static_cast<int>(threads.threads[i]);
  }
  return 1;
}

worker::ClusterOptions ClusterOptionsOf(const ClusterPlan& plan, const ReplicaId& replica) {
  worker::ClusterOptions options;
  options.replica =
      static_cast<int>(replica.role == Role::kWorker ? replica.index + 1 : std::int64_t{0});
  options.num_replicas = static_cast<int>(plan.counts().NumTrainers());
  options.micro_batches = plan.micro_batches;
  if (plan.trains_alone()) return options;  // In sync: nobody is there to differ from.
  options.consistency = plan.consistency;
  options.dense = plan.dense;
  options.pull_ahead = plan.pull_ahead;
  options.wire_precision = plan.wire_precision;
  options.num_servers = static_cast<int>(plan.counts().parameter_servers);
  return options;
}

std::string DescribeJob(const ClusterPlan& plan, const TrainingRequest& request) {
  std::string text = fmt::format("{}, {}", cluster::FormatCounts(plan.counts()),
                                 cluster::FormatConsistency(plan.consistency));
  if (plan.consistency.is_sync()) text += fmt::format(" of {} batches", plan.micro_batches);
  if (plan.dense == cluster::DenseRows::kAllReduce) text += ", dense variables by allreduce";
  if (plan.pull_ahead) text += ", rows pulled ahead";
  text += fmt::format(", model {}", request.own.model);
  if (const auto size = request.trainer.train_batch_size) {
    text += fmt::format(", batches of {}", *size);
  }
  return text;
}

}  // namespace dime::cli
