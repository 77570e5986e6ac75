// runtime/cluster/training_input.h - what a user asks for in a training job: the page that --config
// names and the flags that replace its fields, made into one whole.
//
// The page is a Job resource of Cloud ML Engine, in YAML or JSON:
//   jobId: census_1
//   trainingInput:
//     scaleTier: CUSTOM
//     masterType: complex_model_m
//     workerType: complex_model_m
//     workerCount: 9
//     parameterServerType: large_model
//     parameterServerCount: 3
//   dime:                  # Ours alone.
//     consistency: sync    # async | bounded:K | sync
//     microBatches: 10
//     dense: allreduce     # servers | allreduce
//     pullAhead: false     # true: not in sync
//     wirePrecision: bfloat16  # float32 | bfloat16 | float16
// Its rules: CUSTOM needs a masterType; types and counts go with CUSTOM only; a role that has
// replicas needs a type. Unlike gcloud's, --scale-tier CUSTOM is content with the page's
// masterType.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/cluster/cluster_shape.h"
#include "runtime/cluster/consistency.h"
#include "runtime/cluster/tiers.h"

namespace dime::cluster {

// What stands on the command line; each replaces the page's field. A role's machine type and its
// count are given together, as gcloud has it.
struct TrainingFlags {
  std::optional<std::string> job_id;                         // JOB
  std::optional<std::string> scale_tier;                     // --scale-tier
  std::optional<std::string> master_machine_type;            // --master-machine-type
  std::optional<std::string> worker_machine_type;            // --worker-machine-type
  std::optional<std::int64_t> worker_count;                  // --worker-count
  std::optional<std::string> parameter_server_machine_type;  // --parameter-server-machine-type
  std::optional<std::int64_t> parameter_server_count;        // --parameter-server-count
  std::optional<std::string> module_name;                    // --module-name
  std::optional<std::string> job_dir;                        // --job-dir
  std::optional<std::string> region;                         // --region
  std::optional<std::string> runtime_version;                // --runtime-version
  std::optional<std::string> python_version;                 // --python-version
  std::optional<std::vector<std::string>> packages;          // --packages
  std::optional<std::vector<std::string>> args;  // After the `--`; empty after a bare one.
  std::optional<std::string> consistency;        // --consistency
  std::optional<std::int64_t> micro_batches;     // --micro-batches
  std::optional<std::string> dense;              // --dense
  bool pull_ahead = false;                       // --pull-ahead
  std::optional<std::string> wire_precision;     // --wire-precision
};

struct TrainingInput {
  std::string job_id;
  std::map<std::string, std::string> labels;

  std::string scale_tier;  // As the library has it, or CUSTOM.
  ClusterShape shape;

  std::vector<std::string> args;
  std::string job_dir;
  std::string module;  // Python's name of the trainer, "trainer.task".
  std::vector<std::string> package_uris;
  std::string region;
  std::string runtime_version;
  std::string python_version;
  bool use_chief_in_tf_config = false;
  std::optional<std::int64_t> max_running_seconds;
  std::optional<std::int64_t> max_wait_seconds;

  Consistency consistency;         // async with parameter servers, sync without or with allreduce.
  std::int64_t micro_batches = 1;  // Of a sync step; as many as there are training replicas.
  DenseRows dense = DenseRows::kServers;
  bool pull_ahead = false;
  WirePrecision wire_precision = WirePrecision::kFloat32;

  // What was asked for and does nothing here, a sentence each, for the log.
  std::vector<std::string> notes;
};

// `page` is the text of `file`, "" when there is none. kInvalidArgument: "config.yaml:5:
// trainingInput.workerType: what is wrong and which rule it breaks", or "--worker-count: ..." for a
// flag; kUnimplemented, in the same form, for what dime cannot do: TPUs, containers, tuning.
absl::StatusOr<TrainingInput> ResolveTrainingInput(std::string_view page, const std::string& file,
                                                   const TrainingFlags& flags,
                                                   const TierLibrary& library);

}  // namespace dime::cluster
