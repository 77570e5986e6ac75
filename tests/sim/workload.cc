#include "tests/sim/workload.h"

namespace dime::sim {

const std::vector<Workload>& AllWorkloads() {
  static const std::vector<Workload> workloads = {
      {"counters", RunCounters},
      {"checkpoints", RunCheckpoints},
      {"coordination", RunCoordination},
  };
  return workloads;
}

}  // namespace dime::sim
