#include "runtime/cluster/launched_rank.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

#include "runtime/base/text.h"

namespace dime::cluster {
namespace {

// The names that a launcher uses. Several where one alone does not tell runs apart, or is not
// always there.
struct Names {
  const char* rank;
  const char* num_ranks;
  const char* local_rank;
  const char* num_local_ranks;
  std::vector<const char*> run;
};

const std::vector<Names>& KnownNames() {
  static const auto* const names = new std::vector<Names>{
      {"OMPI_COMM_WORLD_RANK",
       "OMPI_COMM_WORLD_SIZE",
       "OMPI_COMM_WORLD_LOCAL_RANK",
       "OMPI_COMM_WORLD_LOCAL_SIZE",
       {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"}},
      {"PMI_RANK",
       "PMI_SIZE",
       "MPI_LOCALRANKID",
       "MPI_LOCALNRANKS",
       {"PMI_JOBID", "SLURM_JOB_ID", "SLURM_STEP_ID"}},
      {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", nullptr, {"SLURM_JOB_ID", "SLURM_STEP_ID"}},
  };
  return *names;
}

absl::StatusOr<std::int64_t> ReadNumber(const Environment& environment, const char* name,
                                        std::int64_t if_absent) {
  const char* const value = name == nullptr ? nullptr : environment(name);
  if (value == nullptr) return if_absent;
  const std::string_view text(value);
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= 0) return number;
  return base::InvalidArgument("{}: {} is no whole number", name, base::Quoted(text));
}

absl::StatusOr<LaunchedRank> ReadRank(const Environment& environment, const Names& names) {
  LaunchedRank rank;
  DIME_ASSIGN_OR_RETURN(rank.rank, ReadNumber(environment, names.rank, 0));
  DIME_ASSIGN_OR_RETURN(rank.num_ranks, ReadNumber(environment, names.num_ranks, 1));
  DIME_ASSIGN_OR_RETURN(rank.local_rank, ReadNumber(environment, names.local_rank, -1));
  DIME_ASSIGN_OR_RETURN(rank.num_local_ranks, ReadNumber(environment, names.num_local_ranks, 0));
  if (rank.rank >= rank.num_ranks) {
    return base::InvalidArgument("{}: there is no rank {} of {}", names.rank, rank.rank,
                                 rank.num_ranks);
  }
  for (const char* const name : names.run) {
    if (const char* const value = environment(name)) {
      rank.run += fmt::format("{}{}", rank.run.empty() ? "" : ".", value);
    }
  }
  return rank;
}

}  // namespace

std::vector<ReplicaId> LaunchedRank::ReplicasHere(const RoleCounts& counts) const {
  const bool is_known = local_rank >= 0 && num_local_ranks > 0;
  const std::int64_t first = is_known ? std::max<std::int64_t>(rank - local_rank, 0) : 0;
  const std::int64_t last =
      is_known ? std::min(first + num_local_ranks, counts.Total()) : counts.Total();
  std::vector<ReplicaId> replicas;
  for (std::int64_t r = first; r < last; ++r) {
    if (const auto replica = ReplicaOfRank(counts, r); replica.ok()) replicas.push_back(*replica);
  }
  return replicas;
}

absl::StatusOr<std::optional<LaunchedRank>> RankFromEnvironment(const Environment& environment) {
  for (const Names& names : KnownNames()) {
    if (environment(names.rank) == nullptr || environment(names.num_ranks) == nullptr) continue;
    DIME_ASSIGN_OR_RETURN(LaunchedRank rank, ReadRank(environment, names));
    return rank;
  }
  return std::nullopt;
}

}  // namespace dime::cluster
