// runtime/cluster/cluster_shape.h - how many replicas a cluster has, and on what machines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cluster/replica.h"

namespace dime::cluster {

// What one replica may use, and what it costs.
struct MachineType {
  std::string name;
  std::int64_t cores = 0;
  double memory_gb = 0;  // Of 1e9 bytes, as price lists have it.
  std::int64_t gpus = 0;
  std::string gpu_type;                  // "NVIDIA_TESLA_K80"; "" without a GPU.
  std::optional<double> units_per_hour;  // Training units; absent when they are not known.
  std::vector<std::string> unconfirmed;  // The keys of its page whose figures nobody confirmed.
};

struct RoleShape {
  std::int64_t count = 0;
  MachineType machine;  // Meaningless when the count is 0.
};

struct ClusterShape {
  RoleShape master = {.count = 1, .machine = {}};
  RoleShape workers;
  RoleShape parameter_servers;
  RoleShape evaluators;

  [[nodiscard]] const RoleShape& Of(Role role) const;
  [[nodiscard]] RoleShape& Of(Role role);
  [[nodiscard]] RoleCounts Counts() const;
};

// All machines of a cluster together.
struct ClusterTotals {
  std::int64_t replicas = 0;
  std::int64_t cores = 0;
  double memory_gb = 0;
  std::int64_t gpus = 0;
  std::optional<double> units_per_hour;  // Absent when one machine's are not known.
};

[[nodiscard]] ClusterTotals TotalsOf(const ClusterShape& shape);

}  // namespace dime::cluster
