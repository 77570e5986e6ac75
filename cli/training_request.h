// cli/training_request.h - what the command line of a training job says, for all that run one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "cli/cluster_flags.h"
#include "cli/commands/commands.h"
#include "cli/gcloud_flags.h"
#include "cli/trainer_flags.h"
#include "models/description.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/net/credentials.h"
#include "worker/training_job.h"

namespace dime::cli {

// What stands before the `--`.
struct OwnFlags {
  std::optional<std::string> job_dir;
  std::optional<std::string> package_path;
  std::optional<std::string> module_name;
  std::string model = "census";
  std::optional<std::string> runtime_version;
  std::optional<std::int64_t> seed;
  std::int64_t threads = 0;
  std::optional<std::string> order;
  std::int64_t max_bad_records = 0;
  std::optional<std::uint64_t> input_memory;
  std::int64_t max_checkpoints = 5;
  std::int64_t full_checkpoint_every = 10;
  std::int64_t max_failed_saves = 3;
  bool strict = false;
  std::int64_t checkpoint_secs = 600;
  std::int64_t checkpoint_steps = 0;
  std::int64_t summary_steps = 100;
  std::optional<std::string> export_name;
  std::string format = "text";
  std::optional<std::int64_t> metrics_port;
  std::string metrics_address = "127.0.0.1";
  GcloudFlags gcloud;
  std::vector<std::string> ignored_options;  // Those without effect that were given.
  ClusterFlags cluster;
  bool distributed = false;                // A cluster of gcloud's default size.
  std::optional<std::int64_t> start_port;  // Without effect: replicas of one host need no ports.
  // How a process finds the others that was started by something else than dime.
  std::optional<std::string> token_file;
  std::optional<std::string> master_address;
  net::TransportSecurity transport_security = net::TransportSecurity::kAuto;
  std::int64_t join_secs = 120;
  std::int64_t max_restarts = 3;                     // Of a whole job, by `dime local train`.
  std::optional<std::int64_t> checkpoint_wait_secs;  // Of an evaluator.
};

// Everything the command line says.
struct TrainingRequest {
  OwnFlags own;
  TrainerFlags trainer;
  std::string job_dir;
};

// Which of the commands that take a job's words, or their start: what help says of it.
enum class TrainingCommand { kLocalTrain, kReplica };

// Nothing when help was wanted, and has been printed. kInvalidArgument says what is wrong.
absl::StatusOr<std::optional<TrainingRequest>> ReadTrainingRequest(const char* name, Words args,
                                                                   TrainingCommand command);

[[nodiscard]] base::Severity LeastSeverity(const TrainingRequest& request);

// Changes the model as the flags say. kInvalidArgument for flags that do not fit it.
absl::Status ApplyModelFlags(const TrainerFlags& trainer, models::ModelDescription* description);
// All but the cluster.
absl::StatusOr<worker::TrainingOptions> OptionsOf(const TrainingRequest& request,
                                                  const models::TrainingDefaults& defaults);

}  // namespace dime::cli
