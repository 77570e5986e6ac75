#include "cli/replica_place.h"

#include <string_view>
#include <utility>

#include "cli/local_cluster.h"
#include "runtime/base/text.h"
#include "runtime/cluster/tf_config.h"
#include "runtime/net/address.h"

namespace dime::cli {
namespace {

using cluster::ReplicaId;

absl::StatusOr<Launch> ReadTfConfig(const char* page) {
  DIME_ASSIGN_OR_RETURN(cluster::TfConfig config, cluster::ParseTfConfig(page));
  if (config.task.role == cluster::Role::kEvaluator && !config.has_chief) {
    return base::InvalidArgument(
        "TF_CONFIG: task.type: the cluster has a master, which evaluates itself: start no "
        "evaluator, or call the master chief");
  }
  return Launch{.by = Launch::By::kTfConfig,
                .replica = config.task,
                .spec = std::move(config.cluster),
                .has_evaluator = config.has_chief};
}

std::string_view HostOf(std::string_view address) { return address.substr(0, address.rfind(':')); }

// The replicas whose host is called the same. Where an evaluator runs the spec does not say.
std::vector<ReplicaId> SameHost(const cluster::ClusterSpec& spec, const ReplicaId& self) {
  if (self.role == cluster::Role::kEvaluator) return {self};
  std::vector<ReplicaId> here;
  for (const ReplicaId& replica : AllReplicas(spec.Counts())) {
    if (HostOf(spec.AddressOf(replica)) == HostOf(spec.AddressOf(self))) here.push_back(replica);
  }
  return here;
}

// "host" or "host:port".
absl::StatusOr<net::Address> ParseMasterAddress(const std::string& text) {
  absl::StatusOr<net::Address> address = net::ParseAddress(text);
  if (!address.ok()) address = net::ParseAddress(text + ":0");
  if (address.ok() && address->kind == net::Address::Kind::kTcp) return address;
  return base::InvalidArgument("--master-address: '{}' is no HOST or HOST:PORT", text);
}

absl::StatusOr<ReplicaPlace> PlaceOfRank(const cluster::LaunchedRank& rank, const ClusterPlan& plan,
                                         const TrainingRequest& request,
                                         worker::TokenOptions token) {
  DIME_RETURN_IF_ERROR(cluster::CheckNumRanks(plan.counts(), plan.tier, rank.num_ranks));
  worker::RankOptions options{
      .token = std::move(token), .run = rank.run, .is_on_one_host = rank.IsOnOneHost()};
  if (request.own.master_address) {
    DIME_ASSIGN_OR_RETURN(options.master_address, ParseMasterAddress(*request.own.master_address));
  }
  DIME_ASSIGN_OR_RETURN(const ReplicaId replica, cluster::ReplicaOfRank(plan.counts(), rank.rank));
  return ReplicaPlace{.replica = replica,
                      .here = rank.ReplicasHere(plan.counts()),
                      .rendezvous = worker::MakeRankRendezvous(std::move(options))};
}

}  // namespace

std::optional<cluster::RoleCounts> Launch::counts() const {
  if (by != By::kTfConfig) return std::nullopt;
  cluster::RoleCounts counts = spec.empty() ? cluster::RoleCounts{} : spec.Counts();
  counts.evaluators = has_evaluator ? 1 : 0;
  return counts;
}

absl::StatusOr<Launch> LaunchFromEnvironment(const cluster::Environment& environment) {
  const char* const replica = environment(kReplicaVariable);
  const char* const directory = environment(kDirectoryVariable);
  if (replica != nullptr && directory != nullptr) {
    DIME_ASSIGN_OR_RETURN(const ReplicaId id, cluster::ParseReplica(replica));
    Launch launch{.by = Launch::By::kDime, .replica = id, .directory = directory};
    if (const char* const incarnation = environment(kIncarnationVariable)) {
      std::int32_t number = 0;
      if (!base::ParseInt32(incarnation, &number) || number < 0) {
        return base::InvalidArgument("{}: '{}' is no number of a start", kIncarnationVariable,
                                     incarnation);
      }
      launch.incarnation = static_cast<std::uint32_t>(number);
    }
    return launch;
  }
  if (const char* const page = environment("TF_CONFIG")) return ReadTfConfig(page);
  DIME_ASSIGN_OR_RETURN(const auto rank, cluster::RankFromEnvironment(environment));
  if (rank) return Launch{.by = Launch::By::kRanks, .rank = *rank};
  return Launch{};
}

absl::StatusOr<ReplicaPlace> PlaceOf(const Launch& launch, const ClusterPlan& plan,
                                     const TrainingRequest& request) {
  worker::TokenOptions token{.job_dir = request.job_dir,
                             .file = request.own.token_file.value_or("")};
  switch (launch.by) {
    case Launch::By::kDime:
      return ReplicaPlace{.replica = launch.replica,
                          .here = AllReplicas(plan.counts()),
                          .rendezvous = worker::MakeDirectoryRendezvous(launch.directory),
                          .incarnation = launch.incarnation,
                          .replicas_return = true};
    case Launch::By::kTfConfig:
      return ReplicaPlace{.replica = launch.replica,
                          .here = SameHost(launch.spec, launch.replica),
                          .rendezvous = worker::MakeSpecRendezvous(launch.spec, std::move(token))};
    case Launch::By::kRanks:
      return PlaceOfRank(launch.rank, plan, request, std::move(token));
    case Launch::By::kNobody:
      break;
  }
  return base::InvalidArgument("nothing says which replica of a job this process is");
}

}  // namespace dime::cli
