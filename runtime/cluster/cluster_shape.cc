#include "runtime/cluster/cluster_shape.h"

#include <utility>

namespace dime::cluster {

const RoleShape& ClusterShape::Of(Role role) const {
  switch (role) {
    case Role::kMaster:
      return master;
    case Role::kWorker:
      return workers;
    case Role::kParameterServer:
      return parameter_servers;
    case Role::kEvaluator:
      break;
  }
  return evaluators;
}

RoleShape& ClusterShape::Of(Role role) {
  return const_cast<RoleShape&>(std::as_const(*this).Of(role));
}

RoleCounts ClusterShape::Counts() const {
  return {.masters = master.count,
          .workers = workers.count,
          .parameter_servers = parameter_servers.count,
          .evaluators = evaluators.count};
}

ClusterTotals TotalsOf(const ClusterShape& shape) {
  ClusterTotals totals;
  totals.units_per_hour = 0;
  for (const Role role : kRoles) {
    const auto& [count, machine] = shape.Of(role);
    if (count == 0) continue;
    totals.replicas += count;
    totals.cores += count * machine.cores;
    totals.memory_gb += static_cast<double>(count) * machine.memory_gb;
    totals.gpus += count * machine.gpus;
    if (totals.units_per_hour && machine.units_per_hour) {
      *totals.units_per_hour += static_cast<double>(count) * *machine.units_per_hour;
    } else {
      totals.units_per_hour.reset();
    }
  }
  return totals;
}

}  // namespace dime::cluster
