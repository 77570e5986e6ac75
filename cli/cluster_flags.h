// cli/cluster_flags.h - the flags that give a job its cluster, for the commands that have them.
#pragma once

#include <optional>
#include <string>

#include "runtime/cluster/training_input.h"

namespace CLI {
class App;
}  // namespace CLI

namespace dime::cli {

struct ClusterFlags {
  std::optional<std::string> config;   // A job's page.
  std::optional<std::string> configs;  // A folder of tiers and machine types of the user's own.
  cluster::TrainingFlags training;     // What the flags say; fields that have none are not set.
};

// --configs alone.
void DeclareConfigsFlag(CLI::App& app, ClusterFlags* flags);
// --config, --configs, and those of machine types and counts.
void DeclareClusterFlags(CLI::App& app, ClusterFlags* flags);

// The tiers and machine types of dime and of --configs.
absl::StatusOr<cluster::TierLibrary> ReadTiers(const ClusterFlags& flags);
// The page and the flags in one.
absl::StatusOr<cluster::TrainingInput> ReadTrainingInput(const ClusterFlags& flags,
                                                         const cluster::TierLibrary& library);

}  // namespace dime::cli
