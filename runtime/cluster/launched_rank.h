// runtime/cluster/launched_rank.h - which of several processes this is, as what has started them
// says in the environment: mpirun of Open MPI, MPICH and its kin, or Slurm's srun.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/cluster/replica.h"

namespace dime::cluster {

struct LaunchedRank {
  std::int64_t rank = 0;
  std::int64_t num_ranks = 1;
  // Among those on this host; -1 and 0 when nobody says.
  std::int64_t local_rank = -1;
  std::int64_t num_local_ranks = 0;
  std::string run = {};  // Differs from start to start; "" when nobody says.

  [[nodiscard]] bool IsOnOneHost() const { return num_local_ranks == num_ranks; }
  // The replicas on this host, if ranks are dealt to hosts in blocks, as they are unless a user
  // wants otherwise. All of them when nobody says.
  [[nodiscard]] std::vector<ReplicaId> ReplicasHere(const RoleCounts& counts) const;
};

// getenv(), or what a test takes for it.
using Environment = std::function<const char*(const char* name)>;

// No value for a process that nobody has given a rank. kInvalidArgument: "OMPI_COMM_WORLD_RANK:
// what is wrong".
absl::StatusOr<std::optional<LaunchedRank>> RankFromEnvironment(const Environment& environment);

}  // namespace dime::cluster
