// runtime/cluster/replica.h - the processes of a job, and which of them a rank is.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace dime::cluster {

// In the order of ranks.
enum class Role { kMaster, kWorker, kParameterServer, kEvaluator };

inline constexpr Role kRoles[] = {Role::kMaster, Role::kWorker, Role::kParameterServer,
                                  Role::kEvaluator};

// More than a cluster of this program will ever have; what claims more is refused.
inline constexpr std::int64_t kMaxReplicas = 10'000;

// "master", "worker", "ps", "evaluator": as TF_CONFIG has them.
[[nodiscard]] std::string_view RoleName(Role role);
// The opposite; "chief" is the master. kInvalidArgument, with the nearest name, for others.
absl::StatusOr<Role> ParseRole(std::string_view name);

// One process of a job.
struct ReplicaId {
  Role role = Role::kMaster;
  std::int64_t index = 0;  // Within its role, from 0.

  auto operator<=>(const ReplicaId&) const = default;
};

// "worker-3".
[[nodiscard]] std::string FormatReplica(const ReplicaId& replica);
// The opposite. kInvalidArgument says what is wrong with `text`.
absl::StatusOr<ReplicaId> ParseReplica(std::string_view text);

// How many replicas of each role a cluster has.
struct RoleCounts {
  std::int64_t masters = 1;
  std::int64_t workers = 0;
  std::int64_t parameter_servers = 0;
  std::int64_t evaluators = 0;

  [[nodiscard]] std::int64_t Of(Role role) const;
  [[nodiscard]] std::int64_t Total() const;
  // Those that compute gradients: the master and the workers.
  [[nodiscard]] std::int64_t NumTrainers() const { return masters + workers; }

  bool operator==(const RoleCounts&) const = default;
};

// "1 master, 4 workers, 3 parameter servers".
[[nodiscard]] std::string FormatCounts(const RoleCounts& counts);

// Ranks are numbered through the roles: rank 0 is the master, then come workers, then servers.
// kInvalidArgument when there is no such rank.
absl::StatusOr<ReplicaId> ReplicaOfRank(const RoleCounts& counts, std::int64_t rank);
// -1 when the cluster has no such replica.
[[nodiscard]] std::int64_t RankOfReplica(const RoleCounts& counts, const ReplicaId& replica);

// OK when `num_ranks` processes are what `counts` of `tier` ask for; else kInvalidArgument, which
// says how many would be.
absl::Status CheckNumRanks(const RoleCounts& counts, std::string_view tier, std::int64_t num_ranks);

}  // namespace dime::cluster
