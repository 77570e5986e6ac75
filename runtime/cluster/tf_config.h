// runtime/cluster/tf_config.h - TF_CONFIG, the variable that tells a process of a cluster who it
// is.
//
// Cloud ML Engine, Kubernetes operators and TensorFlow's users set it; dime sets and reads the same
// JSON:
//   {"cluster": {"master": ["a:2222"], "ps": ["b:2222"], "worker": ["c:2222", "d:2222"]},
//    "task": {"type": "worker", "index": 1}, "job": {...}, "environment": "cloud"}
// `chief` may stand for `master`. An evaluator is a task, and never in the cluster.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/base/status.h"
#include "runtime/cluster/cluster_spec.h"

namespace dime::cluster {

inline constexpr std::size_t kMaxTfConfigBytes = std::size_t{1} << 20;

struct TfConfig {
  ClusterSpec cluster;  // Empty: this process is the whole job.
  ReplicaId task;       // Master-0 where the cluster is empty.
  // The master is called chief. TensorFlow's chiefs leave evaluation to the evaluator; a master
  // evaluates itself.
  bool has_chief = false;
  std::string trial;                  // Of a tuning job, "1" and up; else "".
  std::string environment = "cloud";  // "" when it is not given.
  std::string job = {};               // What was submitted, as JSON; "" when it is not given.

  bool operator==(const TfConfig&) const = default;
};

// "" and "{}" are a job of one process. kInvalidArgument: "TF_CONFIG: cluster.worker[1]: what is
// wrong". Keys that dime does not need are passed over, as TensorFlow does.
absl::StatusOr<TfConfig> ParseTfConfig(std::string_view json);

// In one line, which ParseTfConfig() reads back to the same. A `job` that is no JSON is left out.
[[nodiscard]] std::string FormatTfConfig(const TfConfig& config);

}  // namespace dime::cluster
