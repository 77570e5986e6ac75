#include "runtime/cluster/replica.h"

#include <charconv>
#include <system_error>
#include <vector>

#include "runtime/base/suggest.h"
#include "runtime/base/text.h"

namespace dime::cluster {
namespace {

// "1 worker", "4 workers".
std::string Counted(std::int64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kMaster:
      return "master";
    case Role::kWorker:
      return "worker";
    case Role::kParameterServer:
      return "ps";
    case Role::kEvaluator:
      return "evaluator";
  }
  return "";
}

absl::StatusOr<Role> ParseRole(std::string_view name) {
  if (name == "chief") return Role::kMaster;
  std::vector<std::string> names;
  for (const Role role : kRoles) {
    if (RoleName(role) == name) return role;
    names.emplace_back(RoleName(role));
  }
  return base::InvalidArgument("there is no role {}; there are {}{}", base::Quoted(name),
                               fmt::join(names, ", "), base::DidYouMean(name, names));
}

std::string FormatReplica(const ReplicaId& replica) {
  return fmt::format("{}-{}", RoleName(replica.role), replica.index);
}

absl::StatusOr<ReplicaId> ParseReplica(std::string_view text) {
  const std::size_t dash = text.rfind('-');
  if (dash == text.npos) {
    return base::InvalidArgument("{} is no replica such as worker-3", base::Quoted(text));
  }
  DIME_ASSIGN_OR_RETURN(const Role role, ParseRole(text.substr(0, dash)));
  const std::string_view digits = text.substr(dash + 1);
  std::int64_t index = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  const bool is_number = error == std::errc() && end == digits.data() + digits.size();
  if (!is_number || index < 0 || index >= kMaxReplicas) {
    return base::InvalidArgument("{} is no replica such as worker-3: {} is no index from 0 to {}",
                                 base::Quoted(text), base::Quoted(digits), kMaxReplicas - 1);
  }
  return ReplicaId{role, index};
}

std::int64_t RoleCounts::Of(Role role) const {
  switch (role) {
    case Role::kMaster:
      return masters;
    case Role::kWorker:
      return workers;
    case Role::kParameterServer:
      return parameter_servers;
    case Role::kEvaluator:
      return evaluators;
  }
  return 0;
}

std::int64_t RoleCounts::Total() const {
  return masters + workers + parameter_servers + evaluators;
}

std::string FormatCounts(const RoleCounts& counts) {
  std::string text = Counted(counts.masters, "master");
  if (counts.workers > 0) text += ", " + Counted(counts.workers, "worker");
  if (counts.parameter_servers > 0) {
    text += ", " + Counted(counts.parameter_servers, "parameter server");
  }
  if (counts.evaluators > 0) text += ", " + Counted(counts.evaluators, "evaluator");
  return text;
}

absl::StatusOr<ReplicaId> ReplicaOfRank(const RoleCounts& counts, std::int64_t rank) {
  std::int64_t index = rank;
  for (const Role role : kRoles) {
    if (index >= 0 && index < counts.Of(role)) return ReplicaId{role, index};
    index -= counts.Of(role);
  }
  return base::InvalidArgument("there is no rank {} in a cluster of {}: the ranks are 0 to {}",
                               rank, FormatCounts(counts), counts.Total() - 1);
}

std::int64_t RankOfReplica(const RoleCounts& counts, const ReplicaId& replica) {
  if (replica.index < 0 || replica.index >= counts.Of(replica.role)) return -1;
  std::int64_t rank = replica.index;
  for (const Role role : kRoles) {
    if (role == replica.role) break;
    rank += counts.Of(role);
  }
  return rank;
}

absl::Status CheckNumRanks(const RoleCounts& counts, std::string_view tier,
                           std::int64_t num_ranks) {
  if (num_ranks == counts.Total()) return absl::OkStatus();
  return base::InvalidArgument(
      "{} started for the scale tier {}, which has {} ({}): start it with mpirun -np {}",
      num_ranks == 1 ? "1 process was" : fmt::format("{} processes were", num_ranks), tier,
      counts.Total(), FormatCounts(counts), counts.Total());
}

}  // namespace dime::cluster
