#include "cli/cluster_flags.h"

#include <CLI/CLI.hpp>
#include <vector>

#include "cli/arguments.h"
#include "cli/config_directory.h"
#include "runtime/base/yaml_tree.h"
#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

constexpr char kGroup[] = "Options of the cluster";

void DeclareMachines(CLI::App& app, const std::string& role, const std::string& what,
                     std::optional<std::string>* type, std::optional<std::int64_t>* count) {
  app.add_option("--" + role + "-machine-type", *type, "Machine type of " + what + " of CUSTOM")
      ->type_name("TYPE")
      ->group(kGroup);
  if (count == nullptr) return;
  app.add_option("--" + role + "-count", *count, "How many, given together with their type")
      ->transform(WholeNumber(1, cluster::kMaxReplicas))
      ->type_name("N")
      ->group(kGroup);
}

}  // namespace

void DeclareConfigsFlag(CLI::App& app, ClusterFlags* flags) {
  app.add_option("--configs", flags->configs,
                 "A folder with tiers/*.yaml and machine_types.yaml of your own, beside dime's")
      ->type_name("DIR")
      ->group(kGroup);
}

void DeclareClusterFlags(CLI::App& app, ClusterFlags* flags) {
  app.add_option("--config", flags->config,
                 "A job's page, YAML or JSON: its trainingInput gives CUSTOM its shape")
      ->type_name("FILE")
      ->group(kGroup);
  DeclareConfigsFlag(app, flags);
  cluster::TrainingFlags& training = flags->training;
  DeclareMachines(app, "master", "the master", &training.master_machine_type, nullptr);
  DeclareMachines(app, "worker", "the workers", &training.worker_machine_type,
                  &training.worker_count);
  DeclareMachines(app, "parameter-server", "the parameter servers",
                  &training.parameter_server_machine_type, &training.parameter_server_count);
}

absl::StatusOr<cluster::TierLibrary> ReadTiers(const ClusterFlags& flags) {
  std::vector<std::string> directories = {ConfigDirectory()};
  if (flags.configs) directories.push_back(*flags.configs);
  return cluster::TierLibrary::Read(directories);
}

absl::StatusOr<cluster::TrainingInput> ReadTrainingInput(const ClusterFlags& flags,
                                                         const cluster::TierLibrary& library) {
  if (!flags.config) return cluster::ResolveTrainingInput("", "", flags.training, library);
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(*flags.config));
  const absl::StatusOr<std::string> page = fs->ReadFile(*flags.config, base::kMaxYamlBytes);
  if (absl::IsOutOfRange(page.status())) {  // So long a page is a wrong one.
    return base::InvalidArgument("--config: {}", base::MessageOf(page.status()));
  }
  if (!page.ok()) return base::Annotate(page.status(), "--config");
  return cluster::ResolveTrainingInput(*page, *flags.config, flags.training, library);
}

}  // namespace dime::cli
